"""What sources and outputs share of the network: addresses, logins, connections, RTSP's messages."""
