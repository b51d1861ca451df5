import email.message
import re

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from keras_refs import datasets
from keras_refs.datasets import catalogue
from keras_refs.datasets.spam_assassin import mails
from keras_refs.datasets.spam_assassin import spam_assassin_dataset_builder as builder

SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def texts():
    return datasets.load_texts("spam_assassin")


def raw(body, subject="Hello", content_type="text/plain", encoding="7bit"):
    head = f"From: a@b.org\nSubject: {subject}\nMIME-Version: 1.0\nContent-Type: {content_type}"
    return f"{head}\nContent-Transfer-Encoding: {encoding}\n\n{body}".encode("latin-1")


@pytest.mark.parametrize(
    ("mail", "text"),
    [
        (raw("one\n two\n"), "Hello\none two"),
        (
            raw("caf=E9 =\nnoir", content_type="text/plain; charset=iso-8859-1", encoding="quoted-printable"),
            "Hello\ncafé noir",
        ),
        (raw("w7FhbmTDug==", content_type="text/plain; charset=utf-8", encoding="base64"), "Hello\nñandú"),
        # Without an encoding, with one that does not exist, and with a wrong one.
        (raw("caf\xe9"), "Hello\ncafé"),
        (raw("caf\xe9", content_type="text/plain; charset=unknown-8bit"), "Hello\ncafé"),
        (raw("caf\xe9", content_type="text/plain; charset=us-ascii"), "Hello\ncafé"),
        (raw("no semicolon", content_type="text/plain charset=us-ascii"), "Hello\nno semicolon"),
        (raw("body", subject="=?iso-8859-1?Q?caf=E9?="), "café\nbody"),
        (raw("body", subject="Re: [ILUG] two [tags]"), "Re: two\nbody"),
        (raw("body", subject=""), "\nbody"),
        (raw("", subject="alone"), "alone"),
        (raw(f"{'x' * 600} {'y' * 600}"), "Hello\n" + "x" * 600),
        (raw("-" * 200 + "a bell\a" + "_" * 50 + " b! ! ! ! c"), "Hello\n---a bell___ b!!! c"),
    ],
)
def test_decodes_subject_and_body(mail, text):
    assert mails.text_of(mail) == text


def test_reads_html_as_a_browser_shows_it():
    html = "<html><title>t</title><style>p {}</style><body><p>one<br>t<b>w</b>o &amp; 3</p><SCRIPT>x</SCRIPT>"
    assert mails.text_of(raw(html, content_type="text/html")) == "Hello\none two & 3"
    # Some declare it as plain text.
    assert mails.text_of(raw(html)) == "Hello\none two & 3"


def test_prefers_the_plain_part_and_leaves_out_attachments():
    mail = email.message.EmailMessage()
    mail["Subject"] = "parts"
    mail.set_content("plain")
    mail.add_alternative("<p>html</p>", subtype="html")
    mail.add_attachment("attached", filename="a.txt")
    assert mails.text_of(mail.as_bytes()) == "parts\nplain"
    mail.clear_content()
    mail.set_content("<p>html</p>", subtype="html")
    mail.add_attachment("attached", filename="a.txt")
    assert mails.text_of(mail.as_bytes()) == "parts\nhtml"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("mine\n> theirs\n>> older\nmine again", "mine mine again"),
        ("On Monday, A. Person\nwrote:\n> theirs\nmine", "mine"),
        ("> all there is", "all there is"),
        ("mine\n-- \nA. Person, Dublin", "mine"),
        ("mine\n" + "_" * 47 + "\nIlug mailing list\nIlug@linux.ie", "mine"),
        ("mine\n" + "-" * 55 + "\nThis sf.net email is sponsored by: ThinkGeek\nhttp://thinkgeek.com", "mine"),
        ("URL: http://a.org/1\nDate: 2002-09-30\n\nmine", "mine"),
        ("SPAM: ---- Start SpamAssassin results\nSPAM: 8 hits\nmine", "mine"),
        ("-----Original Message-----\nFrom: A. Person\nSent: Monday\nmine", "mine"),
        ("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\nmine\n-----BEGIN PGP SIGNATURE-----\nabc", "mine"),
        # What it says is no reason.
        ("To unsubscribe from our mailing list, click", "To unsubscribe from our mailing list, click"),
    ],
)
def test_keeps_what_the_sender_wrote(body, words):
    assert " ".join(mails.own_words(body.replace("\n", "\r\n")).split()) == words


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("mail a.b+c@d-e.co.uk, or <x@y.org>.", "mail <email> , or < <email> >."),
        ("http://a.com/?to=b@c.de", "<url>"),
        ("mailto:a@b.com root@localhost", "<email> <email>"),
        ("a (at) b {dot} org, c at d dot com", "<email> , <email>"),
        ("see http://a.b/c?d=e, www.f.gh/i or k.net", "see <url> , <url> or <url>"),
        ("http://1.2.3.4/x at 192.168.0.1", "<url> at <url>"),
        ("(800) 555-0100, 1-800-FLOWERS, +353 1 555 0100", "<phone> , <phone> , <phone>"),
        ("call 1 800 555 0100 ext 7", "call <phone> ext 7"),
        # Neither addresses nor numbers of telephones.
        ("f @ st, end.It is", "f @ st, end.It is"),
        ("2002-10-08, 08/10/2002, 1997-2002, 10:20", "2002-10-08, 08/10/2002, 1997-2002, 10:20"),
        ("$1,000,000 or $1000000 at 12345 and 0.1234567", "$1,000,000 or $1000000 at 12345 and 0.1234567"),
    ],
)
def test_puts_placeholders_for_addresses_and_numbers(text, cleaned):
    assert mails.clean(text) == cleaned


def test_finds_the_thread_by_the_subject():
    replies = ("Hello\nthis", "Re: hello\nthat", "RE: Fwd: HELLO\n", "fw:hello", "Aw: Re: hello")
    assert {mails.thread_of(text) for text in replies} == {"hello"}
    assert mails.thread_of("Regarding hello\nRe: this") == "regarding hello"
    assert mails.thread_of("\nbody") == ""


def test_groups_threads_and_texts_that_are_alike():
    words = [str(number) for number in range(10)]
    texts = [
        f"first\n{' '.join(words)}",
        "Re: first\nsomething else that is said about it",
        f"second\n{' '.join(words[2:])} eleven",
        "third\nnothing that any of the others says",
        # Without subject and body, they have nothing in common.
        "\nhello there",
        "\nbye",
    ]
    first, reply, alike, *others = builder.groups_of(texts)
    assert first == reply == alike
    assert len({first, *others}) == 4


def test_counts_of_classes(texts):
    assert texts.class_names == ("ham", "spam")
    counts = {split: np.bincount(getattr(texts, split).labels).tolist() for split in SPLITS}
    assert counts == {"train": [3_174, 1_307], "validation": [462, 206], "test": [453, 184]}


def test_no_text_and_no_thread_is_in_two_splits(texts):
    for common in (mails.letters_of, mails.thread_of):
        values = [{common(text) for text in getattr(texts, split).texts} - {""} for split in SPLITS]
        assert sum(map(len, values)) == len(set.union(*values))
    letters = [mails.letters_of(text) for split in SPLITS for text in getattr(texts, split).texts]
    assert len(letters) == len(set(letters))


def test_no_body_of_a_test_or_validation_text_is_like_one_of_train(texts):
    words = CountVectorizer(ngram_range=(3, 3), binary=True, token_pattern=r"\w+", dtype=np.int32)
    bodies = [text.partition("\n")[2] for split in SPLITS for text in getattr(texts, split).texts]
    splits = np.repeat(range(3), [len(getattr(texts, split)) for split in SPLITS])
    rows = words.fit_transform(bodies)
    train, rest = rows[splits == 0], rows[splits > 0]
    common = (train @ rest.T).tocoo()
    sizes = np.diff(train.indptr)[common.row] + np.diff(rest.indptr)[common.col]
    assert (common.data / (sizes - common.data)).max() < 0.3


def test_no_address_and_no_header_is_left(texts):
    address = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|https?://\w|\(\d{3}\) ?\d{3}-\d{4}", re.ASCII)
    for split in SPLITS:
        for text in getattr(texts, split).texts:
            assert not address.search(text)
            assert 0 < len(text) <= mails.MAX_CHARACTERS
            assert text.count("\n") <= 1
            assert not re.match(r"(?:Received|Return-Path|Delivered-To):", text)


def test_is_small():
    folder = catalogue.BUNDLED_DATA_DIR / "spam_assassin"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 1_500_000
