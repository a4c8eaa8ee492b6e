"""Several nodes behind one port: an answer counts when a quorum gave exactly the same one."""
