import errno
import os
from pathlib import Path

import pytest

from dpsynth.errors import DpsynthError, OutputExistsError, UsageError
from dpsynth.tables.atomic import atomic_write, check_output


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_content_appears_only_at_the_end(tmp_path):
    target = tmp_path / "out.bin"
    with atomic_write(target, force=False) as part:
        assert part.parent == tmp_path
        part.write_bytes(b"new")
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["out.bin"]


def test_existing_output_needs_force(tmp_path):
    target = tmp_path / "out.bin"
    target.write_bytes(b"old")
    with pytest.raises(OutputExistsError), atomic_write(target, force=False):
        pytest.fail("the block must not run")
    with atomic_write(target, force=True) as part:
        part.write_bytes(b"new")
    assert target.read_bytes() == b"new"


def test_target_that_appears_meanwhile_is_kept(tmp_path):
    target = tmp_path / "out.bin"
    with pytest.raises(OutputExistsError), atomic_write(target, force=False) as part:  # noqa: PT012
        part.write_bytes(b"mine")
        target.write_bytes(b"theirs")
    assert target.read_bytes() == b"theirs"
    assert names(tmp_path) == ["out.bin"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("x")])
def test_failure_leaves_the_old_file_and_no_part(tmp_path, error):
    target = tmp_path / "out.bin"
    target.write_bytes(b"old")
    with pytest.raises(type(error)), atomic_write(target, force=True) as part:  # noqa: PT012
        part.write_bytes(b"half")
        raise error
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["out.bin"]


def test_full_disk_is_one_plain_error(tmp_path):
    target = tmp_path / "out.bin"
    with pytest.raises(DpsynthError, match="disk is full") as caught, atomic_write(target, force=False):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.exit_code == 1
    assert caught.value.__cause__ is None
    assert names(tmp_path) == []


def test_directory_missing_folder_and_device(tmp_path):
    with pytest.raises(UsageError, match="directory"):
        check_output(tmp_path, force=True)
    with pytest.raises(DpsynthError, match="folder does not exist") as caught:
        check_output(tmp_path / "no" / "out.bin", force=False)
    assert caught.value.exit_code == 1
    with pytest.raises(UsageError, match="regular file"):
        check_output("/dev/null", force=True)


def test_no_permission(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(DpsynthError, match="no permission") as caught:
        check_output(tmp_path / "out.bin", force=False)
    assert caught.value.exit_code == 1


def test_permission_error_of_the_system(tmp_path):
    with pytest.raises(DpsynthError, match="no permission"), atomic_write(tmp_path / "out.bin", force=False):
        raise PermissionError(errno.EACCES, "denied")


def test_symbolic_link_is_followed(tmp_path):
    real = tmp_path / "real.bin"
    real.write_bytes(b"old")
    link = tmp_path / "link.bin"
    link.symlink_to(real)
    with atomic_write(link, force=True) as part:
        part.write_bytes(b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
