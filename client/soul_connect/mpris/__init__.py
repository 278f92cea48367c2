"""The session as a player on the desktop's bus: MPRIS (freedesktop.org, version 2.2).

`facts` says what the bus shows of a state, without a bus; `root` and `service` are the two
interfaces; `bus` puts them there, by dbus-fast (the extra `mpris`).
"""
