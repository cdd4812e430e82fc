"""Parsing hosts, ports, origins and networks."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from ...errors import OptionError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 (these mean all addresses of a machine)


@dataclass(frozen=True)
class HostAndPort:
    """A host and a port; None stands for any port."""

    host: str
    port: int | None = None


def parse_place(text: str) -> HostAndPort | None:
    """Parse ``name``, ``name:port`` or ``[::1]:port``; None if it is none of these."""
    try:
        parts = urlsplit(f"//{text}")
        if parts.path or parts.query or parts.fragment or parts.username is not None or not parts.hostname:
            return None
        return HostAndPort(plain_host(parts.hostname), parts.port)
    except ValueError:
        return None


def plain_host(host: str) -> str:
    """Normalise a host: lower case, no final dot, no zone, and IPv4 for IPv4-mapped IPv6."""
    name = host.lower().removesuffix(".")
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return name
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def allowed_place(text: str) -> HostAndPort:
    """The host of ``--allow-host``; raises ``OptionError``."""
    place = parse_place(text)
    if place is None:
        raise OptionError(f"--allow-host {text!r}: expected a name, or NAME:PORT")
    return place


def is_loopback(host: str) -> bool:
    """Whether a host name or address is loopback."""
    try:
        return host == "localhost" or ipaddress.ip_address(plain_host(host.strip("[]"))).is_loopback
    except ValueError:
        return False


def network(text: str) -> Network:
    """The network of ``--proxy``, which may be a single address; raises ``OptionError``."""
    try:
        return ipaddress.ip_network(text.strip("[]"))
    except ValueError:
        raise OptionError(
            f"--proxy {text!r}: expected the address that the proxy connects from, or a network like 10.0.0.0/24"
        ) from None


def is_in(host: str, networks: tuple[Network, ...]) -> bool:
    """Whether an address is in one of the networks."""
    try:
        address = ipaddress.ip_address(plain_host(host))
    except ValueError:
        return False
    return any(address in network for network in networks)


def machine_names() -> tuple[str, ...]:
    """The host names of this machine; another site cannot have these names."""
    name = plain_host(socket.gethostname())
    return (name, f"{name}.local") if name and "." not in name else (name,)


def outward_address(host: str) -> str:
    """The address to print for a server on ``host``; if that means all addresses, one that other machines can reach."""
    if host not in EVERYWHERE:
        return host
    family, far = (socket.AF_INET, "192.0.2.1") if host == EVERYWHERE[0] else (socket.AF_INET6, "2001:db8::1")
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far, 9))  # this sends nothing; the system only chooses a route
            return str(probe.getsockname()[0])
    except OSError:  # no route
        return "127.0.0.1" if family == socket.AF_INET else "::1"


def frame_ancestor(text: str) -> str:
    """An origin whose pages may show ours in a frame; raises ``OptionError``."""
    scheme, _, rest = text.rstrip("/").partition("://")
    place = parse_place(rest)
    if scheme not in ("http", "https") or place is None or not re.fullmatch(r"[A-Za-z0-9.:\[\]_-]+", rest):
        raise OptionError(f"--frame {text[:80]!r}: expected an origin: scheme, host and port of the framing page")
    return f"{scheme}://{rest}"
