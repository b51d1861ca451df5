"""What BERT's uncased tokens make of each character, as Hugging Face's `BertNormalizer` and `BertPreTokenizer` do."""

import functools
import string
import sys
import unicodedata

# BERT's table of CJK ideographs. Hugging Face's has 2B920, where 2B820 was meant.
_IDEOGRAPHS = "3400-4DBF 4E00-9FFF 20000-2A6DF 2A700-2B73F 2B740-2B81F 2B920-2CEAF F900-FAFF 2F800-2FA1F"
# Hugging Face's categories are those of Unicode 8. To it, marks, punctuation and format characters in these ranges, all
# of which came later, are letters that nothing decomposes; and three characters have since changed their category.
_LATER = (
    "5C8-5C9 61D 7FD 890-8E2 9FD-9FE A76 AFA-AFF B53-B55 C04-C3C C77 C84 D00 D3B-D3C D81 EBA ECE 180F-1886 1ABF-1AF0 "
    "1B4E-1B4F 1B7D-1B7F 1DF6-1DFB 2E43-2E63 A82C A8C5 A8FF A9BD 105C9-105E4 10D24-10F89 11070-11074 110C2-110CD 111CF "
    "1123E-11241 1133B 11383-1145E 11660-1166C 116B9 1182F-11FFF 12FF1-1612F 16D68-16F4F 16FE2-16FE4 1CF00-1D128 "
    "1D25B-1D25C 1E000-1E6F5 1E944-1E95F"
)
_LETTER = "a letter"
_CHANGED = {0x166D: "Po", 0x1734: "Mn", 0x111C9: "Po"}


@functools.cache
def normal_forms() -> tuple[dict[int, str], set[int]]:
    """Return what code points are replaced by, and those that are words by themselves.

    Returns:
        A dictionary from the integers of code points to strings of up to three characters, empty for those that are
        dropped, without those that stay as they are; and the set of punctuation marks, ASCII symbols and ideographs.
    """
    forms, words = {}, _read_ranges(_IDEOGRAPHS)
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        category = _category(character)
        if category[0] == "P" or character in string.punctuation:
            words.add(code)
        # Code points that no character has count as letters.
        if category != "Cn" and (form := _normal_form(character, category)) != character:
            forms[code] = form
    return forms, words


def _normal_form(character, category):
    if character in "\t\n\r" or category[0] == "Z":
        return " "
    if category in ("Cc", "Cf", "Co", "Cs") or character == "\N{REPLACEMENT CHARACTER}":
        return ""
    # Without accents. Lower case comes last: some capitals are there only once they have been decomposed.
    parts = character if category == _LETTER else unicodedata.normalize("NFD", character)
    return "".join(part.lower() for part in parts if _category(part) != "Mn")


def _category(character):
    return _categories().get(ord(character)) or unicodedata.category(character)


@functools.cache
def _categories():
    return dict.fromkeys(_read_ranges(_LATER), _LETTER) | _CHANGED


def _read_ranges(ranges):
    """Return the code points of hexadecimal ranges, both ends included."""
    ends = ([int(end, 16) for end in words.split("-")] for words in ranges.split())
    return {code for first, *last in ends for code in range(first, (last or [first])[0] + 1)}
