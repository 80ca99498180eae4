"""A person at a browser: opens an address, fills in and sends the forms it is shown, until it is sent back to 127.0.0.1.

    python browser.py ADDRESS [--refuse]

With --refuse the link "cancel" is taken in place of the second form.
"""

import http.cookiejar
import sys
import urllib.parse
import urllib.request
from html.parser import HTMLParser


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.action, self.fields, self.links = None, {}, []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "form":
            self.action = given["action"]
        elif tag == "input" and given.get("name"):
            self.fields[given["name"]] = given.get("value") or "somebody"
        elif tag == "a":
            self.links.append(given.get("href", ""))


browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
reply = browser.open(sys.argv[1])
forms = 0
while True:
    page = Page()
    page.feed(reply.read().decode())
    if "/callback?" in reply.url:
        break
    forms += 1
    assert page.action and forms < 5, (reply.url, page.fields)
    if "--refuse" in sys.argv and forms == 2:
        cancel = [link for link in page.links if link.endswith("/abort")]
        reply = browser.open(urllib.parse.urljoin(reply.url, cancel[0]))
        continue
    data = urllib.parse.urlencode(page.fields).encode()
    reply = browser.open(urllib.parse.urljoin(reply.url, page.action), data)
