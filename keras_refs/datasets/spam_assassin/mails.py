"""What a mail says: its subject and the first part of its body as plain text, without what identifies people."""

import email.policy
import re
from html.parser import HTMLParser

MAX_CHARACTERS = 1000
"""Texts are cut after the last word that ends within these many characters."""

_BLOCK_TAGS = {"br", "p", "div", "tr", "td", "th", "li", "ul", "ol", "table", "hr", "center", "blockquote", "option"}
_BLOCK_TAGS |= {f"h{level}" for level in range(1, 7)}
_INVISIBLE_TAGS = {"script", "style", "title"}
_HTML = re.compile(r"<(?:html|body|table|font|br|p)\b", re.IGNORECASE)

# What mailing lists put into subjects.
_LIST_TAG = re.compile(r"\[[^\[\]]*\]")
_REPLY = re.compile(r"^\s*(?:(?:re|fwd?|aw|sv)\s*:\s*)+", re.IGNORECASE)

# What programs add to a body in a form of their own. Nothing is taken away because of what it says.
_ADDED = [
    # Signatures, from their delimiter on (RFC 3676). Mailing lists add their footers below.
    re.compile(r"^-- ?$.*", re.MULTILINE | re.DOTALL),
    # The footers of Mailman and SourceForge, below a long line.
    re.compile(r"^_{40,}\s*\n[^\n]*(?:mailing list|Sponsored by).*", re.MULTILINE | re.IGNORECASE | re.DOTALL),
    re.compile(r"^-{40,}\s*\n(?:This|In remembrance)[^\n]*\bsf\.net.*", re.MULTILINE | re.IGNORECASE | re.DOTALL),
    # The boundary that SourceForge put below mails from outside.
    re.compile(r"^--DeathToSpam.*", re.MULTILINE | re.DOTALL),
    re.compile(r"^-+ Yahoo! Groups Sponsor -.*?^-+.*?->$", re.MULTILINE | re.DOTALL),
    re.compile(r"^To unsubscribe from this group, send .*", re.MULTILINE | re.DOTALL),
    re.compile(r"^-----BEGIN PGP SIGNATURE-----.*", re.MULTILINE | re.DOTALL),
    re.compile(r"^-----BEGIN PGP SIGNED MESSAGE-----\n(?:Hash: .*\n)?", re.MULTILINE),
    # SpamAssassin's own report.
    re.compile(r"^SPAM: .*$", re.MULTILINE),
    # The head of a mail that a program made of an RSS feed.
    re.compile(r"\A\s*URL: .*\n+(?:Date: .*\n)?"),
    # The line above a quotation, "On Monday, A wrote:", and the headers of a forwarded mail: they name people.
    re.compile(r"^(?:On\b.*\n)?.*\b(?:wrote|writes|said|says)\b.{0,20}:[ \t]*$", re.MULTILINE | re.IGNORECASE),
    re.compile(r"^-* ?(?:Original|Forwarded) Message ?-*$", re.MULTILINE | re.IGNORECASE),
    re.compile(r"^(?:From|To|Cc|Sent|Date|Reply-To|Message-ID): .*$", re.MULTILINE),
]
_QUOTED = re.compile(r"^[ \t]*(?:[A-Z]{0,3}>[ \t]?)+", re.MULTILINE)

_DOMAIN = r"(?:[a-z0-9-]+\.)+(?:com|net|org|edu|gov|biz|info|ie|co\.uk)\b"
# Up to the punctuation that follows it.
_ADDRESS = r"[^\s<>\"]*[\w/#=&-]"
_PLACEHOLDERS = [
    (re.compile(rf"(?:(?:https?|ftp)://|\b(?:news|telnet):|(?<![\w@.])www\d?\.){_ADDRESS}", re.IGNORECASE), " <url> "),
    (re.compile(r"(?:mailto:)?[^\s<>()\[\]\"',;:@]+ ?@ ?[\w-]+(?:\.[\w-]+)+", re.IGNORECASE), " <email> "),
    (re.compile(r"(?:mailto:)?[\w.+-]{2,}@[\w-]{2,}", re.IGNORECASE), " <email> "),
    (re.compile(r"[\w.-]+\s*[(\[{<]?\bat\b[)\]}>]?\s*[\w-]+\s*[(\[{<]?\bdot\b\W*\w+", re.IGNORECASE), " <email> "),
    (re.compile(rf"\b{_DOMAIN}(?:[:/]{_ADDRESS})?(?!\w)"), " <url> "),
    (re.compile(rf"\b\d{{1,3}}(?:\.\d{{1,3}}){{3}}\b(?:[:/]{_ADDRESS})?"), " <url> "),
    # North American numbers, also with letters for digits.
    (re.compile(r"(?:\+?\b1[-. ]*)?(?:\(\d{3}\)|\b\d{3}\b)[-./ ]*\d{3}[-. ]+\w{4}\b"), " <phone> "),
    (re.compile(r"\b1[-. ]8\d\d[-. ][A-Z\d-]{7,12}\b"), " <phone> "),
]
_DIGITS = re.compile(r"(?<![\w$])(?:\+ ?\d{1,3}[-. ]?)?\(?\d{1,5}\)?(?:[-./ ]{0,3}\(?\d{2,}\)?)+(?![\w%])")
_YEAR = r"(?:19|20)\d\d"
_DATE = re.compile(rf"{_YEAR} ?[-/.] ?{_YEAR}\b|{_YEAR}[-/. ]\d\d?[-/. ]\d\d?\b|\d\d?[-/.]\d\d?[-/.](?:19|20)?\d\d\b")
_DECIMALS = re.compile(r"(?:[ -]*\d+\.\d+)+")


def text_of(mail: bytes) -> str:
    """Return the text of a mail, from its bytes: the subject, a newline, and the first part of the body on one line.

    Attachments are left out, and so are the tags in brackets that mailing lists add to subjects, and quotations,
    signatures and footers in bodies. E-mail addresses become `<email>`, telephone numbers and other numbers of at
    least seven digits `<phone>`, web and IP addresses `<url>`.
    """
    message = email.message_from_bytes(mail, policy=email.policy.default)
    subject = clean(_LIST_TAG.sub(" ", _subject(message)))
    text = f"{subject}\n{clean(own_words(_body(message)))}".rstrip()
    if len(text) <= MAX_CHARACTERS:
        return text
    return re.sub(r"\S*$", "", text[: MAX_CHARACTERS + 1]).rstrip()


def letters_of(text: str) -> str:
    """Return the letters of a text, in lower case: what duplicates have in common."""
    return "".join(filter(str.isalpha, text.lower()))


def thread_of(text: str) -> str:
    """Return what the subjects of a thread's mails have in common: the subject of a text without "Re:", case-folded."""
    return _REPLY.sub("", text.split("\n")[0]).casefold()


def visible_text(html: str) -> str:
    """Return the text that a browser shows of HTML, with a new line for every block."""
    parser = _VisibleText()
    parser.feed(html)
    parser.close()
    return "".join(parser.parts)


def own_words(body: str) -> str:
    """Return a body without what other people wrote and programs added, with the quotations if nothing else is in it.

    Quotations are lines that begin with ">", also after the initials of their author.
    """
    body = body.replace("\r\n", "\n")
    for pattern in _ADDED:
        body = pattern.sub("\n", body)
    unquoted = "\n".join(line for line in body.split("\n") if not _QUOTED.match(line))
    return unquoted if unquoted.strip() else _QUOTED.sub("", body)


def clean(text: str) -> str:
    """Return a text on one line, with placeholders, without control characters and long runs of punctuation."""
    # What is far behind the cut need not be looked at.
    text = " ".join(text.split())[: 10 * MAX_CHARACTERS]
    for pattern, placeholder in _PLACEHOLDERS:
        text = pattern.sub(placeholder, text)
    text = _DIGITS.sub(_replace_number, text)
    text = "".join(character for character in text if character.isprintable() or character.isspace())
    text = re.sub(r"([^\w\s]|_)(?:\s*\1){3,}", r"\1\1\1", text)
    return " ".join(text.split())


class _VisibleText(HTMLParser):
    """Collects the text outside of tags."""

    def __init__(self):
        super().__init__()
        self.parts = []
        self._invisible = None

    def handle_starttag(self, tag, attrs):  # noqa: ARG002
        if tag in _INVISIBLE_TAGS:
            self._invisible = tag
        self._begin_line(tag)

    def handle_endtag(self, tag):
        if tag == self._invisible:
            self._invisible = None
        self._begin_line(tag)

    def handle_data(self, data):
        if self._invisible is None:
            self.parts.append(data)

    def _begin_line(self, tag):
        if tag in _BLOCK_TAGS:
            self.parts.append("\n")


def _subject(message):
    # A subject in an unknown or wrong encoding has surrogates.
    return str(message["subject"] or "").encode("utf-8", "replace").decode()


def _body(message):
    """Return the plain text of a message, or that of its HTML if there is no plain one."""
    for kind in ("text/plain", "text/html"):
        # Some declare "text/plain charset=us-ascii", without the semicolon.
        parts = [part for part in message.walk() if part.get_content_type().startswith(kind) and not _is_file(part)]
        text = _decoded(parts[0]) if parts else ""
        if kind == "text/html" or _HTML.search(text):
            text = visible_text(text)
        if text.strip():
            return text
    return ""


def _is_file(part):
    return part.is_multipart() or part.get_content_disposition() == "attachment"


def _decoded(part):
    content = part.get_payload(decode=True) or b""
    # Programs that declare no encoding, or a wrong one, were mostly Western European.
    for encoding in (part.get_content_charset("utf-8"), "utf-8"):
        try:
            return content.decode(encoding)
        except (LookupError, UnicodeDecodeError):
            continue
    return content.decode("windows-1252", "ignore")


def _replace_number(match):
    number = match[0].strip(" ()")
    is_short = sum(map(str.isdigit, number)) < 7
    return match[0] if is_short or _DATE.match(number) or _DECIMALS.fullmatch(number) else " <phone> "
