"""How the plates of many countries are laid out. Their numbers are invented, letter by letter."""

from __future__ import annotations

import string
from dataclasses import dataclass

import numpy as np

Colour = tuple[int, int, int]

WHITE, BLACK, YELLOW, BLUE, GREEN, RED, GREY = (
    (242, 242, 240),
    (18, 18, 20),
    (244, 200, 36),
    (24, 66, 160),
    (20, 110, 70),
    (190, 24, 30),
    (190, 192, 194),
)
PALE_GREEN, CREAM, ORANGE, SKY, NAVY = (
    (186, 226, 190),
    (238, 228, 200),
    (236, 130, 30),
    (150, 190, 230),
    (20, 30, 90),
)

LETTERS = {
    "latin": string.ascii_uppercase,
    "han": "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
    "品川横浜大阪名古屋神戸札幌",
    "kana": "さすせそたちつてとなにぬねのはひふほまみむめもやゆらりるれろあいうえかきくけこわ",
    "hangul": "가나다라마거너더러머버서어저고노도로모보소오조구누두루무부수우주서울경기부산대구",
    "arabic": "ابتجحدرسصطعفقكلمنهوي",
    "thai": "กขคฆงจฉชฌญฎฐฒณตถทธนบปผพภมยรลวศษสอฮ",
    "devanagari": "कखगघचछजटडणतथदधनपफबभमयरलवशसह",
    "bengali": "কখগঘচছজটডতথদধনপফবভমযরলশসহঢাকা",
    "hebrew": "אבגדהוזחטיכלמנסעפצקרשת",
    "georgian": "აბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰ",
    "khmer": "កខគឃងចឆជឈញដឋឌឍណតថទធនបផពភមយរលវសហឡអ",
}
DIGITS = {
    "arabic": "٠١٢٣٤٥٦٧٨٩",
    "devanagari": "०१२३४५६७८९",
    "bengali": "০১২৩৪৫৬৭৮৯",
    "khmer": "០១២៣៤៥៦៧៨៩",
}
NAMES = (
    *("CALIFORNIA", "TEXAS", "FLORIDA", "NEW YORK", "OHIO", "Pennsylvania", "Georgia", "Illinois"),
    *("ARIZONA", "Colorado", "Washington", "OREGON", "Michigan", "VIRGINIA", "Maryland", "UTAH"),
    *("New Jersey", "NORTH CAROLINA", "Massachusetts", "Ontario", "Nevada", "Alaska", "HAWAII"),
)
SLOGANS = (
    *("SUNSHINE STATE", "EMPIRE STATE", "EXCELSIOR", "Land of Lincoln", "Garden State", "MAR 2027"),
    *("Grand Canyon State", "dmv.ca.gov", "12-27", "Yours to Discover", "EVERGREEN STATE"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """
    One row of a plate: what stands there, and between which shares of the height.

    In `pattern`, A is a Latin letter, 9 a digit, X a letter and D a digit of `script`, N a
    state's name, S a slogan, * letters or digits, 3 to 7 of them; the rest stands for itself.
    """

    pattern: str
    top: float = 0.16
    bottom: float = 0.86
    script: str = "latin"
    width: float = 0.92  # of the room between the bands, at most


@dataclass(frozen=True, slots=True)
class Layout:
    """One kind of plate: millimetres, colours of ground and ink, rows, coloured bands."""

    country: str
    size: tuple[int, int]
    colours: tuple[tuple[Colour, Colour], ...]
    rows: tuple[Row, ...]
    left: Colour | None = None
    right: Colour | None = None
    share: float = 1.0
    scenic: float = 0.0  # how often a picture or gradient lies under the letters
    border: float = 0.6


def _two(upper: str, lower: str, script: str = "latin", below: str = "latin") -> tuple[Row, ...]:
    return (Row(upper, 0.07, 0.45, script, 0.8), Row(lower, 0.52, 0.93, below))


def _latin(*patterns: str) -> tuple[Row, ...]:
    return tuple(Row(pattern) for pattern in patterns)


INK = (WHITE, BLACK)
EU, WIDE, US = (520, 110), (440, 140), (305, 152)

# A layout with rows that stand above each other has them in one tuple; what differs only in its
# number's form is a layout of its own, with a smaller share.
LAYOUTS = (
    Layout("Germany", EU, (INK,), _latin("A·AA 999"), BLUE, share=2),
    Layout("France", EU, (INK,), _latin("AA-999-AA"), BLUE, BLUE, share=1.5),
    Layout("Italy", EU, (INK,), _latin("AA 999AA"), BLUE, BLUE, share=1.5),
    Layout("Poland", EU, (INK, (GREEN, BLACK)), _latin("AA 99999"), BLUE),
    Layout("Czechia", EU, (INK,), _latin("9A9 9999"), BLUE, share=1.5),
    Layout("Romania", EU, (INK,), _latin("A 999 AAA"), BLUE),
    Layout("Spain", EU, (INK, (SKY, BLACK)), _latin("9999 AAA"), BLUE),
    Layout("Netherlands", EU, ((YELLOW, BLACK),), _latin("99-AAA-9"), BLUE),
    Layout("Belgium", EU, ((WHITE, RED),), _latin("9-AAA-999"), BLUE),
    Layout("Portugal, before the band", EU, (INK,), _latin("99-AA-99"), None, YELLOW),
    Layout("Austria", EU, (INK,), _latin("A 99999A"), BLUE),
    Layout("Switzerland", (500, 110), (INK,), _latin("AA·999999")),
    Layout("Denmark and Norway", EU, (INK, (WHITE, GREEN)), _latin("AA 99 999"), BLUE),
    Layout("Two rows, European", (280, 200), (INK,), _two("AA", "9999"), BLUE, share=2.5),
    Layout("Two rows, motorcycle", (180, 200), (INK, (YELLOW, BLACK)), _two("AA 9", "999A"), BLUE,
           share=2),
    Layout("Britain, front", EU, (INK,), _latin("AA99 AAA"), None, share=1.5, border=0.1),
    Layout("Britain, rear", EU, ((YELLOW, BLACK),), _latin("AA99 AAA"), BLUE, None, 1.5, 0, 0.1),
    Layout("Britain, square", (280, 200), ((YELLOW, BLACK), INK), _two("AA99", "AAA"), border=0.1),
    Layout("Turkey", EU, (INK,), _latin("99 AA 999"), BLUE),
    Layout("Ukraine", EU, (INK,), _latin("AA9999AA"), BLUE),
    Layout(
        "Russia",
        EU,
        (INK, (YELLOW, BLACK)),
        (Row("A999AA", width=0.72), Row("", 0, 0)),
        share=2,
    ),
    Layout("Russia, square", (290, 170), (INK,), _two("A 999", "AA 99"), share=0.5),
    Layout(
        "United States",
        US,
        (
            (WHITE, NAVY),
            INK,
            (WHITE, RED),
            (WHITE, GREEN),
            (YELLOW, NAVY),
            (SKY, NAVY),
            (BLUE, WHITE),
            (BLUE, YELLOW),
            (CREAM, RED),
            (BLACK, YELLOW),
            (GREEN, WHITE),
            (GREY, BLACK),
        ),
        (Row("N", 0.04, 0.19, width=0.6), Row("*", 0.27, 0.8), Row("S", 0.85, 0.95, width=0.55)),
        share=9,
        scenic=0.45,
        border=0.4,
    ),
    Layout(
        "United States, name above",
        US,
        ((WHITE, BLUE), INK, (WHITE, RED), (WHITE, GREEN), (SKY, NAVY), (ORANGE, GREEN)),
        (Row("N", 0.04, 0.22, width=0.75), Row("*", 0.3, 0.92)),
        share=4.5,
        scenic=0.4,
        border=0.4,
    ),
    Layout("Canada and Mexico", US, ((WHITE, BLUE), INK, (WHITE, RED)),
           (Row("N", 0.05, 0.2, width=0.5), Row("AAA-999-A", 0.3, 0.78), Row("S", 0.85, 0.95))),
    Layout("India", (500, 120), (INK, (YELLOW, BLACK)), _latin("AA 99 AA 9999", ), share=1.5),
    Layout("India, with band", (500, 120), (INK, (GREEN, WHITE)), _latin("AA99AA9999"), BLUE),
    Layout("India, square", (340, 200), (INK, (YELLOW, BLACK), (BLACK, YELLOW)),
           _two("AA 99 AA", "9999"), share=1.5),
    Layout("Indonesia", (430, 135), ((BLACK, WHITE), INK, (YELLOW, BLACK), (RED, WHITE)),
           (Row("A 9999 AA", 0.1, 0.68), Row("99·99", 0.76, 0.93, width=0.3)), share=1.5),
    Layout("Malaysia and Singapore", (500, 110), ((BLACK, WHITE),), _latin("AAA 9999"), share=1.5),
    Layout("Malaysia, two rows", (300, 200), ((BLACK, WHITE),), _two("AAA", "9999")),
    Layout("Brazil, grey", (400, 130), ((GREY, BLACK), (RED, WHITE)),
           (Row("AA-AAAAAAAA", 0.06, 0.2, width=0.45), Row("AAA 9999", 0.28, 0.92)), share=2),
    Layout("Mercosur", (400, 130), ((WHITE, BLACK), (WHITE, RED), (WHITE, BLUE)),
           (Row("AAA9A99", 0.32, 0.92),), share=2),
    Layout("Argentina, black", (400, 130), ((BLACK, WHITE),),
           (Row("AAAAAAAAA", 0.05, 0.2, width=0.4), Row("AAA 999", 0.28, 0.9))),
    Layout("Chile and Colombia", (330, 160), ((WHITE, BLACK), (YELLOW, BLACK)),
           (Row("AAA·999", 0.14, 0.76), Row("AAAAAA", 0.83, 0.95, width=0.4))),
    Layout("China", WIDE, ((BLUE, WHITE), (YELLOW, BLACK), (WHITE, BLACK), (BLACK, WHITE)),
           (Row("XA·99999", script="han"),), share=3),
    Layout("China, electric", (480, 140), ((PALE_GREEN, BLACK),),
           (Row("XA·A99999", script="han"),), scenic=0.5),
    Layout("China, two rows", (440, 220), ((YELLOW, BLACK),), _two("X·A", "9A999", "han")),
    Layout("Japan", (330, 165), ((WHITE, GREEN), (YELLOW, BLACK), (GREEN, WHITE), (BLACK, YELLOW)),
           (Row("XX 999", 0.07, 0.33, "han", 0.6), Row("X 99-99", 0.42, 0.92, "kana")), share=3.5),
    Layout("Korea", EU, ((WHITE, BLACK), (YELLOW, BLACK)), (Row("999X 9999", script="hangul"),),
           BLUE),
    Layout("Korea, green", (335, 170), ((GREEN, WHITE),),
           (Row("XX99", 0.07, 0.36, "hangul", 0.6), Row("X9999", 0.44, 0.92, "hangul"))),
    Layout("Taiwan", (380, 160), (INK,), _latin("AAA-9999")),
    Layout("Hong Kong", EU, (INK, (YELLOW, BLACK)), _latin("AA 9999"), border=0.1),
    Layout("Thailand", (340, 150), (INK, (YELLOW, BLACK)),
           (Row("9XX 9999", 0.08, 0.62, "thai"), Row("XXXXXXX", 0.7, 0.93, "thai", 0.6)),
           share=1.5),
    Layout("Vietnam", EU, (INK, (YELLOW, BLACK), (BLUE, WHITE)), _latin("99A-999.99")),
    Layout("Vietnam, two rows", (330, 165), (INK,), _two("99-A9", "999.99"), share=1.2),
    Layout("Philippines", (390, 140), (INK, (WHITE, GREEN)),
           (Row("AAA 9999", 0.1, 0.76), Row("AAAAAAAAA", 0.82, 0.95, width=0.6)), scenic=0.2),
    Layout("Emirates", EU, (INK,),
           (Row("A 99999", width=0.65), Row("XXX", 0.1, 0.4, "arabic", 0.2)),
           share=1.2),
    Layout("Saudi Arabia", (330, 160), (INK, (YELLOW, BLACK), (SKY, BLACK)),
           (Row("DDDD X X X", 0.06, 0.46, "arabic"), Row("9999 A A A", 0.54, 0.94)),
           None, GREY, share=1.5),
    Layout("Egypt", (350, 170), ((WHITE, BLACK),),
           (Row("XXX", 0.05, 0.26, "arabic", 0.5), Row("DDDD X X", 0.36, 0.93, "arabic"))),
    Layout("Iran", EU, (INK, (YELLOW, BLACK)), (Row("DD X DDD DD", script="arabic"),), BLUE),
    Layout("Iraq and Syria", (440, 140), (INK, (RED, WHITE)), (Row("DDDDD X", script="arabic"),)),
    Layout("Morocco", EU, (INK,), (Row("99999 X 9", script="arabic"),)),
    Layout("Israel", EU, ((YELLOW, BLACK),), _latin("999-99-999"), BLUE),
    Layout("Bangladesh", (500, 200), ((WHITE, BLACK), (GREEN, WHITE)),
           _two("XXXX-X", "DD-DDDD", "bengali", "bengali")),
    Layout("Nepal", (400, 170), ((RED, WHITE), (WHITE, RED), (BLACK, WHITE)),
           _two("X D X", "DDDD", "devanagari", "devanagari")),
    Layout("Georgia", EU, (INK,), _latin("AA-999-AA"), BLUE),
    Layout("Cambodia", (340, 160), ((WHITE, BLUE),),
           (Row("XXXX", 0.06, 0.3, "khmer", 0.5), Row("9A-9999", 0.38, 0.9))),
    Layout("Pakistan", (320, 150), ((WHITE, BLACK), (YELLOW, BLACK), (GREEN, WHITE)),
           (Row("AAA-999", 0.1, 0.7), Row("AAAAAA", 0.78, 0.93, width=0.5)), share=1.2),
    Layout("South Africa", (500, 110), ((WHITE, BLACK), (WHITE, BLUE)), _latin("AA 99 AA AA"),
           scenic=0.2),
    Layout("Kenya and Tanzania", EU, ((YELLOW, BLACK), INK, (BLACK, WHITE)), _latin("AAA 999A")),
    Layout("Nigeria", (330, 150), ((WHITE, BLUE), (WHITE, RED)),
           (Row("AAAAA", 0.05, 0.22, width=0.4), Row("AAA-999AA", 0.3, 0.8)), scenic=0.3),
    Layout("Australia", (372, 136),
           ((WHITE, NAVY), (YELLOW, BLACK), (WHITE, GREEN), (BLACK, WHITE)),
           (Row("AAA·999", 0.1, 0.74), Row("AAAAAAAA", 0.8, 0.95, width=0.5)), share=1.5),
    Layout("New Zealand", (360, 125), (INK,), _latin("AAA999")),
)  # fmt: skip


def pick(rng: np.random.Generator) -> Layout:
    """A layout, each as often as its share says."""
    shares = np.array([layout.share for layout in LAYOUTS])
    return LAYOUTS[int(rng.choice(len(LAYOUTS), p=shares / shares.sum()))]


def number(row: Row, rng: np.random.Generator) -> str:
    """What a row's pattern becomes, drawn anew."""
    return "".join(_part(symbol, row.script, rng) for symbol in row.pattern)


def _part(symbol: str, script: str, rng: np.random.Generator) -> str:
    if symbol == "N":
        return str(rng.choice(NAMES))
    if symbol == "S":
        return str(rng.choice(SLOGANS))
    if symbol == "*":
        letters = rng.choice(list(string.ascii_uppercase + string.digits), int(rng.integers(3, 8)))
        gap = int(rng.integers(0, len(letters)))
        return "".join(letters[:gap]) + str(rng.choice(["", " ", "-"])) + "".join(letters[gap:])
    choices = {
        "A": LETTERS["latin"],
        "9": string.digits,
        "X": LETTERS[script],
        "D": DIGITS.get(script, string.digits),
    }.get(symbol, symbol)
    return choices[int(rng.integers(len(choices)))]
