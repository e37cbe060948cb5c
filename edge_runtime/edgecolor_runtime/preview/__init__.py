"""The live preview in a browser: HTTP server, access rules, streams, and the page."""
