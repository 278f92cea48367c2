"""Why an account's request is not granted; each text is one sentence for a person."""


class AccountError(Exception):
    """Something about accounts or tokens cannot be done."""


class NoSuchUser(AccountError):  # noqa: N818
    """No account has this name."""

    def __init__(self, user: str) -> None:
        super().__init__(f"There is no user {user!r}; `soul-connect user add {user}` makes one.")


class UserExists(AccountError):  # noqa: N818
    """The name is taken."""


class BadRequest(AccountError):  # noqa: N818
    """A name, password, device or scope that cannot be."""


class NoSuchToken(AccountError):  # noqa: N818
    """No token with this id was issued here."""


class Refused(AccountError):  # noqa: N818
    """A password, token or invitation that does not count (any more)."""


class TooManyInvitations(AccountError):  # noqa: N818
    """A user has as many open invitations as one may have."""
