// The dialog in which a user tells what happened before an error: `showReportDialog` of Sentry's SDKs loads it.
// It needs nothing but the page it is in; every text goes in as text, never as markup.
(function (options) {
  "use strict";
  var script = document.currentScript;
  if (!script || document.getElementById("tephra-report")) return;
  var address = script.src;

  function make(name, style, text) {
    var element = document.createElement(name);
    element.style.cssText = style || "";
    if (text) element.textContent = text;
    return element;
  }
  var field = "display:block;width:100%;box-sizing:border-box;margin:4px 0 12px;padding:8px;border:1px solid #888;" +
    "border-radius:4px;font:inherit;color:#111;background:#fff";
  var button = "font:inherit;padding:8px 16px;margin-right:8px;border:1px solid #888;border-radius:4px;cursor:pointer;";

  var layer = make("div", "position:fixed;inset:0;z-index:999999;background:rgba(0,0,0,.5);overflow:auto;" +
    "font:16px/1.4 system-ui,sans-serif");
  layer.id = "tephra-report";
  var form = make("form", "max-width:480px;margin:10vh auto;padding:24px;background:#fff;color:#111;border-radius:8px");
  form.setAttribute("role", "dialog");
  form.setAttribute("aria-modal", "true");
  form.setAttribute("aria-label", options.title);
  form.appendChild(make("h2", "margin:0 0 8px;font-size:20px", options.title));
  form.appendChild(make("p", "margin:0 0 16px", options.subtitle + " " + options.subtitle2));

  function input(kind, name, label, value, type) {
    var holder = make("label", "display:block", label);
    var element = make(kind, field);
    element.name = name;
    element.required = true;
    if (type) element.type = type;
    element.value = value;
    holder.appendChild(element);
    form.appendChild(holder);
    return element;
  }
  var first = input("input", "name", options.labelName, options.name, "text");
  input("input", "email", options.labelEmail, options.email, "email");
  input("textarea", "comments", options.labelComments, "").rows = 5;
  var told = make("p", "margin:0 0 12px;color:#a00");
  told.setAttribute("role", "status");
  form.appendChild(told);
  var submit = make("button", button + "background:#111;color:#fff", options.labelSubmit);
  submit.type = "submit";
  var close = make("button", button + "background:#fff;color:#111", options.labelClose);
  close.type = "button";
  form.appendChild(submit);
  form.appendChild(close);

  function end() {
    document.removeEventListener("keydown", escape);
    if (layer.parentNode) layer.parentNode.removeChild(layer);
    // What `onClose` of the SDK waits for.
    window.postMessage("__sentry_reportdialog_closed__", window.location.origin === "null" ? "*" : window.location.origin);
  }
  function escape(event) {
    if (event.key === "Escape") end();
  }
  close.addEventListener("click", end);
  document.addEventListener("keydown", escape);
  form.addEventListener("submit", function (event) {
    event.preventDefault();
    submit.disabled = true;
    told.textContent = "";
    var body = new URLSearchParams();
    ["name", "email", "comments"].forEach(function (name) {
      body.append(name, form.elements.namedItem(name).value);
    });
    fetch(address, { method: "POST", body: body, credentials: "omit" }).then(function (answer) {
      if (answer.ok) {
        while (form.firstChild) form.removeChild(form.firstChild);
        form.appendChild(make("p", "", options.successMessage));
        form.appendChild(close);
        close.focus();
      } else {
        submit.disabled = false;
        told.textContent = answer.status === 400 ? options.errorFormEntry : options.errorGeneric;
      }
    }, function () {
      submit.disabled = false;
      told.textContent = options.errorGeneric;
    });
  });
  layer.appendChild(form);
  document.body.appendChild(layer);
  first.focus();
})
