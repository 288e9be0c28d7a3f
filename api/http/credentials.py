"""Who may ask: tokens that are shown once, and the sessions that pages get for them.

Tokens have 256 random bits, so that a plain SHA-256 of them tells nobody anything.
Sessions are signed, not stored: they outlive a restart of the API. Only those that have
ended before their time are.
"""

import hashlib
import hmac
import secrets
from enum import Enum
from pathlib import Path

import msgspec
import structlog

from connectors.files import create_private, whole_file
from flows.domain.errors import ConfigurationError

SESSION_S = 12 * 3_600
"""How long a page may go on without the token."""

_log = structlog.get_logger()


class Role(Enum):
    """What somebody may do."""

    VIEWER = "viewer"
    """Look."""
    OPERATOR = "operator"
    """Look, and control the engine."""


class Caller(msgspec.Struct, frozen=True):
    """Somebody who has shown a token or a session."""

    role: Role
    session: str = ""
    """The cookie that was shown; empty for a token."""

    @property
    def name(self) -> str:
        """For the journal."""
        return f"{self.role.value} ({'page' if self.session else 'token'})"


class EndedSessions:
    """Sessions that somebody has logged out of, until they would have been over.

    Kept in a file, as hashes, so that a new API knows them, too.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._over_s = self._read()

    def end(self, cookie: str, now_s: int) -> None:
        """Never take it again."""
        kept = {name: over for name, over in self._over_s.items() if over > now_s}
        self._over_s = {**kept, _hash(cookie): now_s + SESSION_S}
        try:
            with whole_file(self._path) as file:
                file.write(msgspec.json.encode(self._over_s))
        except OSError as error:  # it holds until the API ends
            _log.warning("ended_sessions_not_kept", reason=error.strerror)

    def __contains__(self, cookie: str) -> bool:
        return _hash(cookie) in self._over_s

    def _read(self) -> dict[str, int]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, int])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            msg = (
                f"{self._path}: cannot be read: {error}; remove it, and api.tokens.json"
            )
            raise ConfigurationError(msg) from error


class _Kept(msgspec.Struct):
    viewer: str
    operator: str
    session_key: str


class KeyRing:
    """The tokens' hashes and the key of sessions, kept in a file of their owner."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.fresh: dict[Role, str] = {}
        """Tokens made by this start: to be shown once, kept nowhere."""
        self._kept = self._read() or self._make()

    def role_of(self, token: str) -> Role | None:
        """Whose token that is; None: nobody's."""
        shown = _hash(token)
        for role, kept in (
            (Role.OPERATOR, self._kept.operator),
            (Role.VIEWER, self._kept.viewer),
        ):
            if hmac.compare_digest(shown, kept):
                return role
        return None

    def new_session(self, role: Role, now_s: int) -> str:
        """A session's cookie, good until `now_s` + SESSION_S."""
        words = f"{role.value}.{now_s + SESSION_S}.{secrets.token_urlsafe(16)}"
        return f"{words}.{self._sign(words)}"

    def session_role(self, cookie: str, now_s: int) -> Role | None:
        """Whose session a cookie is; None where it is forged or over."""
        words, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(self._sign(words).encode(), signature.encode()):
            return None
        role, expires, _ = words.split(".", 2)
        return Role(role) if now_s < int(expires) else None

    def csrf_of(self, cookie: str) -> str:
        """What a page must send beside its cookie where it changes something."""
        return self._sign(f"csrf {cookie}")

    def _sign(self, words: str) -> str:
        key = bytes.fromhex(self._kept.session_key)
        return hmac.new(key, words.encode(), hashlib.sha256).hexdigest()

    def _read(self) -> _Kept | None:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Kept)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            msg = f"{self._path}: cannot be read: {error}; remove it for new tokens"
            raise ConfigurationError(msg) from error

    def _make(self) -> _Kept:
        self.fresh = {role: secrets.token_urlsafe(32) for role in Role}
        kept = _Kept(
            viewer=_hash(self.fresh[Role.VIEWER]),
            operator=_hash(self.fresh[Role.OPERATOR]),
            session_key=secrets.token_hex(32),
        )
        try:
            create_private(self._path, msgspec.json.encode(kept))
        except OSError as error:
            msg = f"{self._path}: cannot be written: {error.strerror}"
            raise ConfigurationError(msg) from error
        return kept


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
