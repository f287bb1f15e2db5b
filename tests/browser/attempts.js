// Sends each of some requests in all ways that a page has, each with a number in its query, and returns the way and
// the method of each.
async ({service, requests}) => {
  const BODIES = {
    "no type": text => new Blob([text]),
    "empty type": text => new Blob([text], {type: ""}),
    "bytes": text => new TextEncoder().encode(text),
    "text": text => text,
    "json": text => new Blob([text], {type: "application/json"}),
    "form": text => new URLSearchParams({body: text}),
    "multipart": text => { const form = new FormData(); form.append("body", text); return form; },
    "none": () => undefined,
  };
  const WAYS = {
    "no-cors": {mode: "no-cors"},
    "cors": {mode: "cors"},
    "hidden": {mode: "no-cors", referrerPolicy: "no-referrer"},
    "keepalive": {mode: "no-cors", keepalive: true},
    "credentials": {mode: "no-cors", credentials: "include"},
  };
  const sent = [];
  const mark = (method, path, way, kind) => {
    sent.push([`${way} ${kind}`, method]);
    return `${service}${path}?attempt=${sent.length}`;
  };
  const ignore = () => undefined;  // the answer is opaque or kept back; what was stored is looked at elsewhere
  const submit = (url, encoding, text) => {
    const frame = document.createElement("iframe");
    frame.name = `frame${sent.length}`;
    const form = document.createElement("form");
    Object.assign(form, {method: "POST", action: url, enctype: encoding, target: frame.name});
    const field = document.createElement("input");
    // As text/plain this is JSON: the text, but for the sign between name and value, which stands in a last key.
    field.name = `${text.slice(0, -1)}, "ignored": "`;
    field.value = '"}';
    form.append(field);
    document.body.append(frame, form);
    form.submit();
  };
  for (const {method, path, body} of requests) {
    const text = JSON.stringify(body ?? {});
    for (const [kind, make] of Object.entries(BODIES)) {
      for (const [way, options] of Object.entries(WAYS)) {
        await fetch(mark(method, path, way, kind), {...options, method, body: make(text)}).catch(ignore);
      }
      await new Promise(done => {
        const request = new XMLHttpRequest();
        request.onloadend = done;
        request.open(method, mark(method, path, "xhr", kind));
        request.send(make(text));
      });
      navigator.sendBeacon(mark("POST", path, "beacon", kind), make(text));
    }
    for (const encoding of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
      submit(mark("POST", path, "form", encoding), encoding, text);
    }
  }
  return sent;
}
