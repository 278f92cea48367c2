"""The embedded MQTT 3.1.1 broker of Soul Connect.

The way of the data, and where it is:

    links, websocket, http_port   sockets to bytes: TCP and TLS, WebSocket, the shared HTTP port
    local                         a client in the same process, without a socket
    decoder, packets              bytes to packets and back; topics: what is well formed
    connection, backlog           one client's state machine; what a slow reader has not taken
    addresses, strangers          who is not authenticated: how many from one address, how often in vain
    admission, tokens, acl        who is admitted at CONNECT, and with which rights
    requests, conduct             what a client asks for; what is counted against it, and the log
    outbox                        what a turn of the loop writes
    revocations, closing          tokens withdrawn before their time, connections closed
    hub, registry                 where connections meet; who is here
    router, retained              who receives a topic; what a new subscription gets
    session                       what outlives a connection; QoS 1 and 2
    timers, statistics, settings  deadlines, numbers, bounds; sys_topics: the numbers as `$SYS`
    listeners, secure             ports, and TLS in front of them; allocator: its memory
    certificates, tls_context     our own authority and certificate; which one is shown
    server                        `SoulBroker`: all of it as an amqtt broker
    gateway, amqtt_gateway        amqtt's plugins, asked and told
    plugins                       our rules as plugins for a stock amqtt broker

Use:

    broker = SoulBroker(
        listener_config("127.0.0.1", mqtt_port=1883),
        settings=BrokerSettings(data_dir=path),
        verifier=TokenVerifier([load_public_key(path / "signing-key.pub.pem")]),
    )
    await broker.start()
"""
