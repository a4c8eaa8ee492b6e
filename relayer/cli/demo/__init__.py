"""The whole story on local chains, through public doors only."""
