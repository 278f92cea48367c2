"""The Soul Connect contract, version 1, as code.

    ids, units        what the words on the wire mean, as types
    limits, errors    the numbers and the codes
    roles, topics     who may use which topic
    tokens            what a token claims
    models, commands  what messages are made of
    up, down          the messages themselves
    codec             bytes to messages and back
    schema            all of it as JSON Schema
    private_file      no part of it: how all who use it write secrets to the disk
    elapsed           nor this: time that has passed, while the machine was asleep too
    forwarded         nor this: who calls a server by way of proxies

`errors`, `limits`, `roles` and `topics` use the standard library only, so that
pure code may rest on them. Nothing else here does I/O or looks at a clock.
"""
