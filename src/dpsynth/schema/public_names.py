"""Lists of names that everybody knows, in plain English: countries, states of the USA, months, weekdays.

``spelled_like`` writes a list as a column writes it (``United-States``, ``MEXICO``), once some of its names are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_COUNTRIES = """
Afghanistan, Albania, Algeria, American Samoa, Andorra, Angola, Anguilla, Antigua and Barbuda, Argentina,
Armenia, Aruba, Australia, Austria, Azerbaijan, Bahamas, Bahrain, Bangladesh, Barbados, Belarus, Belgium,
Belize, Benin, Bermuda, Bhutan, Bolivia, Bosnia and Herzegovina, Botswana, Brazil, Brunei, Bulgaria, Burkina
Faso, Burundi, Cambodia, Cameroon, Canada, Cape Verde, Cayman Islands, Central African Republic, Chad, Chile,
China, Colombia, Comoros, Congo, Cook Islands, Costa Rica, Croatia, Cuba, Curacao, Cyprus, Czech Republic,
Czechia, Czechoslovakia, Denmark, Djibouti, Dominica, Dominican Republic, East Timor, Ecuador, Egypt, El
Salvador, England, Equatorial Guinea, Eritrea, Estonia, Eswatini, Ethiopia, Faroe Islands, Fiji, Finland,
France, French Guiana, French Polynesia, Gabon, Gambia, Georgia, Germany, Ghana, Gibraltar, Greece, Greenland,
Grenada, Guadeloupe, Guam, Guatemala, Guernsey, Guinea, Guinea-Bissau, Guyana, Haiti, Honduras, Hong Kong,
Hungary, Iceland, India, Indonesia, Iran, Iraq, Ireland, Isle of Man, Israel, Italy, Ivory Coast, Jamaica,
Japan, Jersey, Jordan, Kazakhstan, Kenya, Kiribati, Kosovo, Kuwait, Kyrgyzstan, Laos, Latvia, Lebanon,
Lesotho, Liberia, Libya, Liechtenstein, Lithuania, Luxembourg, Macau, Macedonia, Madagascar, Malawi, Malaysia,
Maldives, Mali, Malta, Marshall Islands, Martinique, Mauritania, Mauritius, Mexico, Micronesia, Moldova,
Monaco, Mongolia, Montenegro, Morocco, Mozambique, Myanmar, Namibia, Nauru, Nepal, Netherlands, New Caledonia,
New Zealand, Nicaragua, Niger, Nigeria, North Korea, North Macedonia, Northern Ireland, Norway, Oman,
Pakistan, Palau, Palestine, Panama, Papua New Guinea, Paraguay, Peru, Philippines, Poland, Portugal, Puerto
Rico, Qatar, Reunion, Romania, Russia, Rwanda, Saint Lucia, Samoa, San Marino, Saudi Arabia, Scotland,
Senegal, Serbia, Seychelles, Sierra Leone, Singapore, Slovakia, Slovenia, Solomon Islands, Somalia, South
Africa, South Korea, South Sudan, Soviet Union, Spain, Sri Lanka, Sudan, Suriname, Swaziland, Sweden,
Switzerland, Syria, Taiwan, Tajikistan, Tanzania, Thailand, Togo, Tonga, Trinidad and Tobago, Tunisia, Turkey,
Turkmenistan, Tuvalu, Uganda, Ukraine, United Arab Emirates, United Kingdom, United States, Uruguay,
Uzbekistan, Vanuatu, Vatican City, Venezuela, Vietnam, Virgin Islands, Wales, Yemen, Yugoslavia, Zambia,
Zimbabwe
"""
_STATES = """
Alabama, Alaska, Arizona, Arkansas, California, Colorado, Connecticut, Delaware, District of Columbia,
Florida, Georgia, Hawaii, Idaho, Illinois, Indiana, Iowa, Kansas, Kentucky, Louisiana, Maine, Maryland,
Massachusetts, Michigan, Minnesota, Mississippi, Missouri, Montana, Nebraska, Nevada, New Hampshire, New
Jersey, New Mexico, New York, North Carolina, North Dakota, Ohio, Oklahoma, Oregon, Pennsylvania, Rhode
Island, South Carolina, South Dakota, Tennessee, Texas, Utah, Vermont, Virginia, Washington, West Virginia,
Wisconsin, Wyoming
"""
_MONTHS = "January, February, March, April, May, June, July, August, September, October, November, December"
_DAYS = "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday"


def _listed(text: str) -> tuple[str, ...]:
    return tuple(" ".join(name.split()) for name in text.split(","))


PUBLIC_NAMES: dict[str, tuple[str, ...]] = {
    "months": _listed(_MONTHS),
    "months, three letters": tuple(name[:3] for name in _listed(_MONTHS)),
    "weekdays": _listed(_DAYS),
    "weekdays, three letters": tuple(name[:3] for name in _listed(_DAYS)),
    "states of the USA": _listed(_STATES),
    "countries": _listed(_COUNTRIES),
}
"""Lists by what they list. Countries: sovereign states, and territories, parts and former states that tables name."""

_SEPARATORS = (" ", "-", "_", ".", "")
_CASES = (str, str.lower, str.upper)


def spelled_like(keys: Sequence[str], others: Iterable[Sequence[str]] = ()) -> tuple[str, tuple[str, ...]] | None:
    """The list that most of at least two ``keys`` stand in, and its names in their spelling; ``None`` if there is none.

    ``others``: further lists whose names are taken as they are, such as the codes of countries.
    """
    best: tuple[int, str, tuple[str, ...]] = (1, "", ())
    for title, names in _spellings(others):
        hits = len(set(names) & set(keys))
        if hits > best[0] and hits >= 0.75 * len(keys):
            best = (hits, title, names)
    return None if not best[1] else best[1:]


def _spellings(others: Iterable[Sequence[str]]) -> Iterable[tuple[str, tuple[str, ...]]]:
    yield from (("public codes", tuple(names)) for names in others)
    for title, names in PUBLIC_NAMES.items():
        for separator in _SEPARATORS:
            for case in _CASES:
                yield title, tuple(case(name.replace(" ", separator)) for name in names)
