"""The server: the explorer's page, and risk, tables and simulation by HTTP."""
