"""The outside of the coordinator: MQTT, SQLite, HTTP."""
