"""The page on which people sign in, and which says why they cannot. It works without scripts."""

from dataclasses import dataclass
from html import escape
from typing import Final, Literal
from urllib.parse import quote

# What stands in a page is only the service's own; its forms go to the service alone, and nobody can frame it.
POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · heksher</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{root}docs/assets/sign-in.css">
</head>
<body>
<main>
<header><h1><span class="brand"><svg viewBox="0 0 18 18" aria-hidden="true"><rect x="1" y="2" width="16" height="3.2" \
rx="1.2" fill="currentColor"/><rect x="1" y="7.4" width="11" height="3.2" rx="1.2" fill="currentColor"/><rect \
class="on" x="1" y="12.8" width="6" height="3.2" rx="1.2"/></svg>heksher</span><span class="sr"> {title}</span></h1>
<p class="quiet">{host}</p></header>
{body}
</main>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Note:
    """What a page says first.

    Attributes:
        kind: how it looks.
        title: what is the matter, in a few words.
        texts: what is to be known of it, in sentences.
    """

    kind: Literal["ok", "wait", "bad"]
    title: str
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInPage:
    """The page on which people sign in.

    Attributes:
        root: the relative way from the page to the root of the service.
        host: the host that the page is of.
        path: where to go on from there, on this service; ``None`` for nowhere in particular.
        provider: the name of a provider through which people can sign in; ``None`` if there is none.
        has_passwords: whether anybody can sign in with a password.
        person: who has signed in already; ``None`` if nobody has.
        name: the name that was typed.
        error: what was wrong with it, or with the password; ``None`` if nothing was.
        note: what the page says first; ``None`` for nothing.
    """

    root: str
    host: str
    path: str | None = None
    provider: str | None = None
    has_passwords: bool = False
    person: str | None = None
    name: str = ""
    error: str | None = None
    note: Note | None = None

    def render(self) -> str:
        """Return the page in HTML."""
        parts = [_render_note(self.note)] if self.note is not None else []
        parts += self._render_person() if self.person is not None else self._render_ways()
        title = "Sign in" if self.note is None else self.note.title
        return _PAGE.format(title=escape(title), root=self.root, host=escape(self.host), body="\n".join(parts))

    def _render_ways(self) -> list[str]:
        ways = []
        if self.provider is not None:
            # A link: the policy of the page would not let a form's answer lead to the provider.
            query = "" if self.path is None else f"?next={quote(self.path, safe='')}"
            ways.append(
                f'<a class="btn main" href="{self.root}sign-in/oidc{query}">Sign in with {escape(self.provider)}</a>'
            )
        if self.has_passwords:
            ways += ['<p class="or">or with a password</p>'] if ways else []
            ways.append(self._render_form(is_main=self.provider is None))
        return ways

    def _render_form(self, *, is_main: bool) -> str:
        wrong = "" if self.error is None else ' aria-invalid="true" aria-describedby="error"'
        error = "" if self.error is None else f'<p class="error" id="error" role="alert">{escape(self.error)}</p>\n'
        go_on = "" if self.path is None else f'<input type="hidden" name="next" value="{escape(self.path)}">\n'
        return (
            f'<form method="post" action="{self.root}sign-in">\n{go_on}'
            f'<label>Name<input name="name" autocomplete="username" autocapitalize="none" spellcheck="false" required'
            f' value="{escape(self.name)}"></label>\n'
            f'<label>Password<input type="password" name="password" autocomplete="current-password" required{wrong}>'
            f"</label>\n{error}"
            f'<button class="btn{" main" if is_main else ""}">Sign in</button>\n</form>'
        )

    def _render_person(self) -> list[str]:
        target = escape(self.path) if self.path is not None else f"{self.root}docs"
        outs = {"sign-out": "Sign out", "sign-out-everywhere": "Sign out everywhere"}
        return [
            f"<p>You are signed in as <b>{escape(self.person or '')}</b>.</p>",
            f'<a class="btn main" href="{target}">Go on</a>',
            *(
                f'<form method="post" action="{self.root}{action}"><button class="btn">{text}</button></form>'
                for action, text in outs.items()
            ),
        ]


def _render_note(note: Note) -> str:
    role = "status" if note.kind == "ok" else "alert"
    texts = "".join(f"<p>{escape(text)}</p>" for text in note.texts)
    return f'<div class="note {note.kind}" role="{role}"><p><b>{escape(note.title)}</b></p>{texts}</div>'
