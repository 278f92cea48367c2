"""The coordinator: the single writer of each user's state.

    adapters/mqtt --> runner --> core --> runner --> adapters/sqlite, then adapters/mqtt

`core` decides and does no I/O; `runner` feeds it one event at a time, saves what it
decided, and only then tells anyone; `adapters` are the outside: MQTT, SQLite, HTTP.
"""
