"""Messages that hold secrets of every kind, and the secrets: none may be found in what is masked."""

from __future__ import annotations

import base64

_HEAD = (
    "{start}\r\n"
    "Via: SIP/2.0/UDP 10.20.0.22:5060;branch=z9hG4bK-peekaboo-5557001;x-imsi=310150123456789\r\n"
    'From: "Gudrun Osvifursdottir" <sip:+3545557001@10.20.0.22>;tag=gudrun-tag-5557001\r\n'
    "To: <tel:+354-555-7002;phone-context=+354>\r\n"
    "Call-ID: {call_id}\r\n"
    "CSeq: 102 {method}\r\n"
    "{extra}"
    "Content-Length: {length}\r\n\r\n{body}"
)


def _message(
    number: int, start: str, extra: str = "", body: str = "", *, call_id: str = ""
) -> bytes:
    method = start.split()[0] if not start.startswith("SIP/") else "INVITE"
    return _HEAD.format(
        start=start,
        method=method,
        call_id=call_id or f"{number:032x}abcdef@10.20.0.22",
        extra=extra,
        length=len(body.encode()),
        body=body,
    ).encode()


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


_INVITE = "INVITE sip:+3545557002:reykjavik101@10.1.2.3:5060;user=phone SIP/2.0"
_SDP = (
    "v=0\r\no=osvifur 16 17 IN IP4 10.20.0.22\r\ns=Gudruns meeting\r\ni=about the inheritance\r\n"
    "u=http://laxdaela.example/\r\ne=gudrun@laugar.example\r\np=+354 5557009\r\nc=IN IP4 10.20.0.22\r\n"
    "t=0 0\r\nk=clear:kalfalaekur\r\nm=audio 11340 RTP/SAVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20\r\n"
    "a=key-mgmt:mikey AQAFgM0XflABAAAAAAAAAAAAAAsAyONQ6gAAAAAG\r\n"
    "a=ice-ufrag:8hhYsecret\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\n"
    "a=fingerprint:sha-256 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB\r\n"
    "a=ssrc:1001 cname:gudrun-laptop\r\na=x-note:hunter2hunter2\r\na=sendrecv\r\n"
)

_CASES: list[tuple[bytes, str]] = [
    (
        _message(
            1,
            _INVITE,
            'Contact: "Kjartan Olafsson" <sip:kjartan:hrefnuson@10.20.0.22;transport=tcp>;expires=60\r\n'
            "P-Asserted-Identity: <sip:5557003@10.20.0.22>, <tel:5557004>\r\n"
            "P-Preferred-Identity: <sip:5557005@10.20.0.22>\r\n"
            "Remote-Party-ID: \"Bolli\" <sip:5557006@10.20.0.22>;party=calling;screen=yes\r\n"
            "Diversion: <sip:5557007@1.2.3.4>;reason=unconditional\r\n"
            "History-Info: <sip:5557008@1.2.3.4?Reason=SIP%3Bcause%3D302>;index=1\r\n"
            "X-Account-Token: sk_live_4eC39HqLyjWDarjtT1zdp7dc\r\n"
            "X-Pin: 86420975\r\n"
            "P-Access-Network-Info: 3GPP-UTRAN-TDD; utran-cell-id-3gpp=23415aaa0ff\r\n"
            "User-to-User: 00476f6f64206d6f726e696e67;encoding=hex\r\n"
            "Geolocation: <https://here.example/laugar-in-saelingsdal>\r\n"
            "Identity: eyJhbGciOiJFUzI1NiJ9.eyJkZXN0Ijp7InRuIjpbIjM1NDU1NTcwMDIiXX19.c2lnbmF0dXJl"
            ";info=<https://cert.example/thorgils.pem>;alg=ES256;ppt=shaken\r\n"
            "User-Agent: Linphone/5.0 (iPhone de Gudrun) Yealink 805ec0112233\r\n"
            "Subject: the foster brothers quarrel\r\n"
            "Content-Type: application/sdp\r\n",
            _SDP,
        ),
        "reykjavik101 Gudrun Osvifursdottir 5557001 5557002 555-7002 gudrun-tag peekaboo 310150123456789"
        " Kjartan Olafsson hrefnuson 5557003 5557004 5557005 Bolli 5557006 5557007 5557008"
        " 4eC39HqLyjWDarjtT1zdp7dc 86420975 23415aaa0ff 476f6f64206d6f726e696e67 saelingsdal"
        " eyJkZXN0Ijp7InRuIjpbIjM1NDU1NTcwMDIiXX19 thorgils 805ec0112233 foster quarrel osvifur meeting"
        " inheritance laxdaela laugar.example 5557009 kalfalaekur"
        " WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
        " AQAFgM0XflABAAAAAAAAAAAAAAsAyONQ6gAAAAAG 8hhYsecret asd88fgpdd777uzjYhagZg 4A:AD:B9:B1:3F"
        " gudrun-laptop hunter2hunter2",
    ),
    (
        _message(
            2,
            "REGISTER sip:voip.example SIP/2.0",
            'Authorization: Digest username="thorleikur", realm="voip.example",'
            ' nonce="84a4cc6f3082121f32b42a2187831a9e", uri="sip:voip.example",'
            ' response="7587245234b3434cc3412213e5f113a5432", cnonce="0a4f113b77",'
            ' opaque="5ccc069c403ebaf9",'
            " algorithm=MD5, qop=auth, nc=00000001\r\n"
            f"Proxy-Authorization: Basic {_coded('Aladdin:open sesame')}\r\n"
            "Authorization: Bearer mF_9.B5fjkw4.1JqMabcdef\r\n"
            "authorization : WhoKnows secretwhoknows\r\n"
            "f: <sip:alf%67erdur%40laugar@10.20.0.22>\r\n",
        ),
        "thorleikur 84a4cc6f3082121f32b42a2187831a9e 7587245234b3434cc3412213e5f113a5432 0a4f113b77"
        f" 5ccc069c403ebaf9 {_coded('Aladdin:open sesame')} B5fjkw4 1JqMabcdef"
        " WhoKnows secretwhoknows alf%67erdur",
    ),
    (
        _message(
            3,
            "SIP/2.0 407 Ask Gudrun at 5557010",
            'Proxy-Authenticate: Digest realm="voip.example",'
            ' nonce="ea9c8e88df84f1cec4341ae6cbe5a359"\r\n'
            'Warning: 399 10.0.0.1 "No credit left for Hoskuldur 5557011"\r\n'
            'Reason: Q.850;cause=16;text="Hung up by Hallgerdur"\r\n',
        ),
        "Gudrun 5557010 ea9c8e88df84f1cec4341ae6cbe5a359 Hoskuldur 5557011 Hallgerdur",
    ),
    (
        _message(
            4, "INFO sip:5557012@10.0.0.1 SIP/2.0", "Content-Type: application/dtmf-relay\r\n",
            "Signal=7731904\r\nDuration=160\r\n",
        ),
        "5557012 7731904",
    ),
    (
        _message(
            5, "NOTIFY sip:5557012@10.0.0.1 SIP/2.0",
            "Event: kpml;call-id=njall-thorgeirsson\r\nContent-Type: application/kpml-response+xml\r\n",
            '<?xml version="1.0"?><kpml-response code="200" digits="4711338" tag="dr"/>',
        ),
        "5557012 4711338 njall-thorgeirsson",
    ),
    (
        _message(
            6, "MESSAGE sip:5557012@10.0.0.1 SIP/2.0", "Content-Type: text/plain;charset=utf-8\r\n",
            "Meet me at Bergthorshvoll at dawn, þorgeir\r\n",
        ),
        "Bergthorshvoll dawn þorgeir",
    ),
    (
        _message(
            7, _INVITE, 'Content-Type: multipart/mixed;boundary="skarphedinn"\r\n',
            "a preamble of grimur\r\n--skarphedinn\r\nContent-Type: application/sdp\r\n\r\n" + _SDP
            + "\r\n--skarphedinn\r\nContent-Type: application/json\r\nX-Part: helgi-njalsson\r\n\r\n"
            '{"caller": "Hoskuldur", "pin": 99887766}\r\n--skarphedinn\r\n\r\nplain mordur\r\n'
            "--skarphedinn--\r\nan epilogue of flosi\r\n",
        ),
        "grimur skarphedinn helgi-njalsson Hoskuldur 99887766 mordur"
        " asd88fgpdd777uzjYhagZg osvifur",
    ),
    (
        _message(
            8, "NOTIFY sip:5557012@10.0.0.1 SIP/2.0",
            "Event: refer\r\nContent-Type: message/sipfrag\r\n"
            "Refer-To: <sip:5557013@10.0.0.1?Replaces=gunnar%40hlidarendi%3Bto-tag%3D7743>\r\n",
            "SIP/2.0 200 OK\r\nContact: <sip:5557014@10.0.0.1>\r\n",
        ),
        "5557013 gunnar hlidarendi 7743 5557014",
    ),
    (
        _message(
            9, _INVITE,
            "X-Folded: begins\r\n hereliesthe\r\n\tbergthora-1234\r\nno header kolskeggur\r\n",
        ),
        "hereliesthe bergthora kolskeggur",
    ),
    (
        _message(10, _INVITE, call_id="5557015-call-of-ketill@10.20.0.22"),
        "5557015 ketill",
    ),
    (
        _message(
            11, _INVITE, "Content-Type: application/gzip\r\nContent-Encoding: gzip\r\n", "packed steinunn"
        ),
        "packed steinunn",
    ),
    (b"HELLO hrutur@laugar 5557016\r\nCall-ID: odd-hrutur\r\n5557017", "hrutur 5557016 5557017"),
]  # fmt: skip

MESSAGES = [message for message, _ in _CASES]
SECRETS = sorted({secret.encode() for _, secrets in _CASES for secret in secrets.split()})
# Shorter ones may stand in a mask by chance.
SECRETS = [secret for secret in SECRETS if len(secret) >= 6]


def found_in(data: bytes) -> list[bytes]:
    """Return the secrets that data holds."""
    lower = data.lower()
    return [secret for secret in SECRETS if secret.lower() in lower]
