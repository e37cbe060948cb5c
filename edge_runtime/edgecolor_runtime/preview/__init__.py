"""The live preview in a browser: HTTP server, access rules, streams, and the page.

In a stream, the head of the next part is sent together with each picture. Chromium shows a part when the next
part begins. If a head were sent with its own picture, each picture would wait for the one after it.

The gray view is what the camera delivered, in a stream of its own. It is not the colored picture turned gray.
"""
