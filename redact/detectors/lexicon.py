"""Word lists: first names, surnames, places and how common a word is, read once into memory."""

from __future__ import annotations

import pkgutil
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module, resources
from typing import Any

import faker.providers.person as people
from faker.providers import date_time
from faker.providers.address.en_US import Provider as UsAddress
from spacy.lang.en.stop_words import STOP_WORDS
from wordfreq import zipf_frequency

FIRST_LISTS = re.compile(r"first_(romanized_)?names?(_(fe)?male|_nonbinary|_unisex)?(_pairs)?")
LAST_LISTS = re.compile(r"last_(romanized_)?names?(_(fe)?male|_unisex)?(_pairs)?")


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


# After these a word is a name whatever it looks like, and after WEAK_TITLES if it is capitalised.
TITLES = _listed("mr mrs ms mx mister missus messrs monsieur mademoiselle herr")
WEAK_TITLES = _listed(
    "miss dr doctor prof professor sir lady lord dame king queen prince princess duke duchess"
    " count countess saint father brother sister uncle auntie aunt grandma grandpa captain colonel"
    " major lieutenant corporal president senator governor congressman congresswoman mayor judge"
    " justice officer detective inspector constable sergeant reverend rabbi imam pope bishop"
    " coach nurse madam madame don dona señor señora frau"
)
PARTICLES = _listed(
    "de der den di da do dos du del della la le van von zu ter ten al el bin ibn ben bint"
    " af av san mac mc o'"
)
NAMING = tuple(phrase.split() for phrase in ("my name is", "my name's", "surname is"))
"""What follows is a name, whatever was heard."""
# What follows is a name even in lower case.
INTRODUCTIONS = NAMING + tuple(
    phrase.split()
    for phrase in (
        "name is",
        "name was",
        "surname was",
        "spelled",
        "spelt",
        "call me",
        "called me",
        "named",
        "my friend",
        "i am called",
        "known as",
        "introduce you to",
        "introduce",
        "speaking with",
        "on behalf of",
    )
)
# What is spelled comes after these; after "spelled" alone a name may be said as well.
SPELLING = tuple(
    phrase.split()
    for phrase in ("spelled", "spelt", "spelling is", "spell it", "write it", "write that")
)
# Who is spoken to stands between commas after these.
OPENINGS = tuple(
    phrase.split()
    for phrase in (
        "sorry",
        "excuse me",
        "hello",
        "hi",
        "hey",
        "good morning",
        "good afternoon",
        "good evening",
        "good night",
        "goodbye",
        "welcome",
        "thanks",
        "thank you",
    )
)
# A capitalised word after these is a name unless a list says otherwise.
GREETINGS = OPENINGS + tuple(
    phrase.split()
    for phrase in (
        "this is",
        "i'm",
        "i am",
        "it's",
        "you're",
        "he's",
        "she's",
        "that's",
        "here's",
        "meet",
        "dear",
        "bye",
        "morning",
        "afternoon",
        "evening",
        "night",
        "please",
        "ask",
        "tell",
        "told",
        "asked",
        "call",
    )
)
LOCATIVES = _listed(
    "in at near around outside inside through across toward towards into via visit visited"
    " visiting leaving left"
)
# A capitalised word before these, themselves capitalised, belongs to a street, a firm, a school.
SUFFIXES = _listed(
    "street avenue road lane drive boulevard square park bridge hotel inn bank university college"
    " school academy hospital clinic airport station county city town village island islands river"
    " lake valley mountain mountains beach bay ocean sea stadium arena center centre church"
    " cathedral museum theatre theater library inc corp corporation company limited ltd llc plc"
    " group motors airlines airways foundation institute pharmacy press records studios"
)
PLACE_HEADS = _listed("new los las santa fort port mount great united north south east")
# Capitalised in running text, and no person.
NEVER = _listed(
    "i i'm i'd i'll i've ok okay god lord christ jesus bible christmas easter halloween tv dvd cd"
    " monday tuesday wednesday thursday friday saturday sunday january february march july"
    " september october november december internet web english british american african asian"
    " european roman greek latin italian french german spanish portuguese dutch flemish danish"
    " swedish norwegian finnish polish russian ukrainian czech hungarian turkish arabic hebrew"
    " chinese japanese korean indian mexican canadian australian irish scottish welsh swiss"
    " austrian belgian brazilian cuban egyptian iranian iraqi israeli jewish muslim islamic"
    " christian catholic protestant buddhist hindu gothic victorian renaissance frenchman"
    " englishman dutchman irishman scotsman europeans americans germans italians romans greeks"
    " covid gps wi-fi wifi pdf usb"
)
BRANDS = _listed(
    "google amazon microsoft apple facebook twitter youtube instagram tiktok snapchat whatsapp"
    " telegram linkedin tesla netflix uber lyft walmart target costco starbucks mcdonald's wendy's"
    " domino's toyota honda nissan hyundai volkswagen bmw audi porsche ferrari volvo nike"
    " adidas puma pepsi cola samsung sony nokia motorola panasonic toshiba siemens bosch intel"
    " nvidia oracle cisco ibm adobe spotify disney nintendo playstation xbox android iphone ipad"
    " macbook windows linux chrome firefox safari gmail outlook excel powerpoint zoom paypal visa"
    " mastercard boeing airbus fedex ups dhl ikea lego kodak canon nikon xerox wikipedia"
    " chiswick"
)
CONTINENTS = _listed(
    "europe asia africa america oceania antarctica atlantic pacific mediterranean england scotland"
    " wales britain holland"
)
# First names to the lists, but places to nearly everybody who says them. The others (Paris, Sydney,
# Georgia) are places only where the sentence says so.
PLAIN_PLACES = _listed(
    "africa alabama america angeles argentina arizona armenia asia asuncion atlanta basel berlin"
    " boston bristol china cuba denver florida france geneva hobart holland india indiana ireland"
    " kenya london louisiana manila maryland melbourne memphis missouri nevada oman rome tennessee"
    " texas tijuana venice washington york"
)
BIG_CITIES = _listed(
    "york francisco angeles diego antonio chicago boston dallas seattle philadelphia phoenix miami"
    " atlanta baltimore memphis milwaukee pittsburgh cleveland cincinnati nashville orlando tampa"
    " vegas brooklyn manhattan hollywood liverpool manchester birmingham leeds glasgow edinburgh"
    " cardiff bristol oxford cambridge yorkshire bavaria"
    " munich hamburg cologne frankfurt augsburg strasbourg lyon marseille milan naples turin venice"
    " florence barcelona seville porto rotterdam antwerp geneva basel krakow kyoto osaka mumbai"
    " bangalore shenzhen guangzhou montreal vancouver ottawa quebec ontario bavaria catalonia"
    " tuscany normandy orleans jersey zealand hampshire delhi"
)


def fold(word: str) -> str:
    """Lower case, without accents: how every list here spells its words."""
    if word.isascii():
        return word.lower()
    decomposed = unicodedata.normalize("NFKD", word.replace("\u2019", "'"))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).lower()


def _flat(values: Iterable[Any]) -> Iterator[str]:
    """Every text in a list of texts or of tuples of texts."""
    for value in values:
        if isinstance(value, str):
            yield value
        else:
            yield from _flat(value)


def _words(values: Iterable[str]) -> Iterator[str]:
    """The Latin words of names, folded; an initial or a stop word is none."""
    for value in set(values):
        for word in fold(value).replace("-", " ").split():
            if len(word) > 1 and word.isascii() and word.replace("'", "").isalpha():
                yield word


def _locale_lists(wanted: re.Pattern[str]) -> Iterator[str]:
    """What Faker's locales list as names of persons."""
    for module in pkgutil.iter_modules(people.__path__):
        provider = import_module(f"{people.__name__}.{module.name}").Provider
        for attribute, values in vars(provider).items():
            if wanted.fullmatch(attribute) and isinstance(values, (tuple, list, dict)):
                yield from _flat(values)


def _census(*files: str) -> Iterator[str]:
    """What the US census lists, from the package `names`."""
    for file in files:
        text = resources.files("names").joinpath(file).read_text(encoding="ascii")
        yield from (line.split()[0] for line in text.splitlines() if line)


@cache
def first_names() -> frozenset[str]:
    """Folded first names of many countries, without function words such as "so" or "an"."""
    census = _census("dist.female.first", "dist.male.first")
    found = {*_words(census), *_words(_locale_lists(FIRST_LISTS))}
    # "Will" and "May" are stop words too; a capital in mid-sentence tells them apart.
    return frozenset(found - (STOP_WORDS - {"will"}) - NEVER)


@cache
def last_names() -> frozenset[str]:
    """Folded surnames of many countries; many are common words as well."""
    found = {*_words(_census("dist.all.last")), *_words(_locale_lists(LAST_LISTS))}
    return frozenset(found - STOP_WORDS - NEVER)


@cache
def places() -> frozenset[str]:
    """Folded words of countries, capitals, US states and large cities."""
    zones = (zone for country in date_time.Provider.countries for zone in country.timezones)
    values = [country.name for country in date_time.Provider.countries]
    values += [country.capital for country in date_time.Provider.countries]
    values += [zone.rsplit("/", 1)[-1].replace("_", " ") for zone in zones]
    values += UsAddress.states
    return frozenset({*_words(values), *BIG_CITIES, *CONTINENTS} - STOP_WORDS)


@cache
def frequency(word: str) -> float:
    """How common a folded English word is: 0 unknown, 3 once in a million words, 7 "the"."""
    return float(zipf_frequency(word, "en"))


def is_function_word(word: str) -> bool:
    """A folded word that says nothing by itself: "the", "with", "also"."""
    return word in STOP_WORDS
