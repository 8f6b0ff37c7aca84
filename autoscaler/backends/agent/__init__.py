"""Guest agents: a client that trusts no reply, and the ladders that find the way a guest allows."""
