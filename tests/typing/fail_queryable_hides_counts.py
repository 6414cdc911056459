"""Through a ``Queryable`` there is no way to exact counts, to the source or to the ledger."""

from dpsynth.privacy.queryable import Queryable


def peek(queryable: Queryable) -> None:
    queryable.counts([("age",)])  # type: ignore[attr-defined]
    queryable._source  # type: ignore[attr-defined]  # noqa: B018
    queryable._transaction  # type: ignore[attr-defined]  # noqa: B018
    queryable.remaining = queryable.remaining  # type: ignore[misc]
