"""Real servers on loopback, and other things that tests share."""
