"""Pure decisions: events in, effects out, the clock passed in.

    values       what everything is made of
    records      what survives a restart
    events       what happened
    effects      what is to be done about it
    coordinator  `Coordinator.handle`: one event to its effects; who is asked next, and when
    user         one user's state, and the turn that collects what one event changes
    presence, registration, requests, forwarding, reports, transfers, recovery
                 the rules, a family each
    order, names, receipts, rates, messages
                 queue order, device names, answers given, rate limits, wire messages

Nothing here imports asyncio, sqlite3, time, random, socket, logging or pydantic. Ids and
randomness arrive inside events; a peer's mistake is a reply; an exception is our own bug.
"""
