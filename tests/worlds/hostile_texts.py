"""Sixty texts that somebody would call a team by to see what breaks (S9). Each holds the word ``zqxj``."""

from __future__ import annotations

import unicodedata

from fixtures.sizes import size

TAGS = (
    "<script>zqxj()</script>",
    "<ScRiPt>zqxj()</sCrIpT>",
    "<script src=//zqxj.example></script>",
    "</title><script>zqxj()</script>",
    "</textarea><script>zqxj()</script>",
    "</script><script>zqxj()</script>",
    "<<script>zqxj()//<</script>",
    "<scr<script>ipt>zqxj()</script>",
    "<img src=x onerror=zqxj()>",
    "<img/src=x/onerror=zqxj()>",
    "<body onload=zqxj()>",
    "<iframe srcdoc='<b>zqxj</b>'></iframe>",
    "<object data=zqxj></object>",
    "<base href=//zqxj.example/>",
    "<form action=//zqxj.example><button>",
    "<a href=javascript:zqxj()>x</a>",
    "<a href='java\tscript:zqxj()'>x</a>",
    "<details open ontoggle=zqxj()>",
    "<meta http-equiv=refresh content=0;url=//zqxj.example>",
    "<zqxj-element hx-get=/ hx-trigger=load>",
)
SVG_AND_STYLE = (
    "<svg onload=zqxj()>",
    "<svg><script>zqxj()</script></svg>",
    "</svg><script>zqxj()</script>",
    "<svg><a xlink:href=javascript:zqxj()><text>x</text></a>",
    "</text><image href=x onerror=zqxj()>",
    "<math><mtext><style><img src=x onerror=zqxj()>",
    "<style>*{background:url(//zqxj.example)}</style>",
    "<link rel=stylesheet href=//zqxj.example>",
    "</style><script>zqxj()</script>",
    "]]><script>zqxj()</script>",
    "<!--zqxj",
    "--><script>zqxj()</script>",
)
ATTRIBUTES = (
    '" onmouseover="zqxj()',
    "' onfocus='zqxj()' autofocus='",
    '"><script>zqxj()</script>',
    "'><script>zqxj()</script>",
    "` onclick=`zqxj()",
    '" style="background:url(//zqxj.example)',
    '" hx-get="//zqxj.example" hx-trigger="load',
    "javascript:zqxj()",
    "data:text/html,<script>zqxj()</script>",
    "&lt;script&gt;zqxj()&lt;/script&gt;",
    "&#60;script>zqxj()&#60;/script>",
    "\\x3cscript\\x3ezqxj()\\x3c/script\\x3e",
)
TEMPLATES = (
    "{{ 7777777 * 7777777 }}zqxj",
    "{% raw %}zqxj",
    "${7777777*7777777}zqxj",
    "%(zqxj)s%n{0.__class__}",
)
INVISIBLE = (
    "\u202ezqxj\u202c",
    "\u2066zqxj\u2069",
    "zq\u200bxj\u200bzqxj",
    "zqхjzqxj",  # the third letter is Cyrillic
    "\x1b[31mzqxj\x1b[0m",
    "\x1b]0;zqxj\x07",
    "\x9b31mzqxj",
    "zqxj\\0\\x00%00",
)
LINES_AND_PATHS = (
    "=HYPERLINK(zqxj)",
    "@SUM(zqxj)|'+cmd'!A0",
    "zqxj\r\nBcc: zqxj@example.org\r\n\r\nzqxj",
    "../../../../zqxj/passwd",
)
HOSTILE = TAGS + SVG_AND_STYLE + ATTRIBUTES + TEMPLATES + INVISIBLE + LINES_AND_PATHS
BY_THEMSELVES = HOSTILE[:: size(4, 1)]
"""Those that are tried one by one where each costs a page, a mail or a program."""
WORD = "zqxj"
PRODUCT = str(7_777_777**2)
"""What a template engine would make of its texts; too long to come by chance, as in the name of a file."""
FORMULA_LEADS = ("=", "+", "-", "@", "\t", "\r")

assert len(set(HOSTILE)) == 60
assert max(map(len, HOSTILE)) < 60, "with a digit behind it each is the name of a team"


def visible_only(text: str) -> bool:
    """Whether nothing in a text is obeyed by a terminal, turns its direction or hides."""
    return all(each in "\n\t" or unicodedata.category(each) not in ("Cc", "Cf", "Cs") for each in text)


def hostile_csv(text: str) -> bytes:
    """A defence whose cells are a hostile text, in a column's name, too."""
    quoted = '"' + text.replace('"', '""') + '"'
    rows = [f"1,0,{quoted},0.0", f"{quoted},1,+5,0.0", f"1,{quoted},-5,{quoted}"]
    return ("cell_id,rep,direction_size,timestamp\n" + "\n".join(rows) + "\n").encode()
