"""What students write in Markdown: nothing runs in a browser, and mathematics stays as it was."""

import html
from html.parser import HTMLParser

import pytest
from nbconvert.filters import markdown2html_mistune

from gencourse.grading.inert import inert


class Page(HTMLParser):
    """Collects what a browser could run."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found += [tag] * (tag in ("script", "iframe", "object", "svg", "style", "form"))
        self.found += [n for n, _ in attrs if n.startswith("on")]
        urls = [html.unescape(value or "").strip().lower() for _, value in attrs]
        self.found += [url for url in urls if url.startswith(("javascript:", "vbscript:"))]


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<scr<script>ipt>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)>",
        "<!--><script>alert(1)</script>-->",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](javascript&colon;alert(1))",
        "[x](java&#115;cript:alert(1))",
        "[x](&#x6A;avascript:alert(1))",
        "[x]\n\n[x]: javascript:alert(1)",
        "<javascript:alert(1)>",
        "```mermaid\n<img src=x onerror=alert(1)>\n```",
        "`<b onclick=alert(1)>`",
    ],
)
def test_nothing_runs(text):
    assert not Page(markdown2html_mistune(inert(text))).found


def test_a_link_in_mathematics_is_none():
    assert "href" not in inert(r"$\href{javascript:alert(1)}{x}$")


@pytest.mark.parametrize(
    "text",
    [
        r"$\sum_i x_i < 3$ and $$\begin{aligned} a &= b \\ c &\le d \end{aligned}$$",
        "# Heading\n\n*Jensen*: a < 3 & b > 2, see [1](https://example.org/a?b=1&c=2)",
        "```python\nif a < 3: pass\n```",
    ],
)
def test_what_is_harmless_stays(text):
    assert inert(text) == text


def test_mathematics_keeps_its_meaning():
    assert inert("$p<q$") == "$p< q$"
