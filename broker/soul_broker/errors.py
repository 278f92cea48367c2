"""What can go wrong in the broker.

SoulBrokerError
 +-- MalformedPacketError        the peer broke MQTT: its connection is closed
 |    +-- UnacceptableProtocolError   a CONNECT of another level: CONNACK 1, then closed
 +-- RefusedTokenError           a token that does not admit: CONNACK 5
 +-- AddressInUseError           a listener's address is taken or not ours
 +-- CertificateError            a certificate or key that cannot be used
"""


class SoulBrokerError(Exception):
    """The root of this package's errors; its message is one clear sentence."""


class MalformedPacketError(SoulBrokerError):
    """Bytes that are no MQTT 3.1.1 packet, or one that its sender may not send."""


class UnacceptableProtocolError(MalformedPacketError):
    """A CONNECT of another protocol level than 4 [MQTT-3.1.2-2]."""


class RefusedTokenError(SoulBrokerError):
    """A token that does not admit its bearer. The message names no part of the token."""


class AddressInUseError(SoulBrokerError):
    """A listener's address cannot be bound; the message names it.

    Attributes:
        listener: its name among the listeners.
        taken: somebody else listens there.
    """

    def __init__(self, message: str, *, listener: str, taken: bool = False) -> None:
        super().__init__(message)
        self.listener = listener
        self.taken = taken


class CertificateError(SoulBrokerError):
    """A certificate or key is missing, unreadable or does not fit."""
