// Extras: theme, new rows, copying, and the login link. Every page works without this file.
(function () {
  "use strict";
  var root = document.documentElement;
  function recall(key) { try { return localStorage.getItem(key); } catch (e) { return null; } }
  function keep(key, value) { try { if (value) localStorage.setItem(key, value); else localStorage.removeItem(key); } catch (e) { /* private mode */ } }
  var theme = recall("demur-theme");
  if (theme) root.dataset.theme = theme;

  document.addEventListener("DOMContentLoaded", function () {
    var all = function (selector) { return Array.prototype.slice.call(document.querySelectorAll(selector)); };
    var one = function (selector) { return document.querySelector(selector); };

    var button = one("[data-theme-button]"), name = one("[data-theme-name]");
    var order = ["", "light", "dark"], names = { "": "System", light: "Light", dark: "Dark" };
    button.hidden = false;
    name.textContent = names[theme || ""];
    button.addEventListener("click", function () {
      theme = order[(order.indexOf(theme || "") + 1) % 3];
      if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
      keep("demur-theme", theme);
      name.textContent = names[theme || ""];
    });

    // The secret of a login link is in the fragment, which no server or log sees.
    var login = one("[data-login]");
    if (login && location.hash.length > 1) {
      one("#secret").value = location.hash.slice(1);
      history.replaceState(null, "", location.pathname);
      login.submit();
    }

    var filter = one(".filters input[type=search]") || one("#paste");
    document.addEventListener("keydown", function (event) {
      if (event.key === "/" && filter && !/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) {
        event.preventDefault();
        filter.focus();
      }
    });

    // Live: rows as they come. The filters are in the address, and the server applies them.
    var rows = one("[data-rows]");
    if (rows) {
      var pause = one("[data-pause]"), state = one("[data-state]"), shown = one("[data-shown]"), paused = false;
      var query = new URLSearchParams(rows.dataset.query), last = rows.dataset.rows;
      var look = function () {
        if (paused || document.hidden) return;
        query.set("after", last);
        fetch("/rows?" + query, { credentials: "same-origin" }).then(function (response) {
          if (!response.ok || response.redirected) throw new Error(response.status);
          return response.text();
        }).then(function (text) {
          var table = document.createElement("table");
          table.appendChild(document.createElement("tbody"));
          table.tBodies[0].innerHTML = text;
          var mark = table.querySelector("[data-last]");
          if (!mark) return;
          last = mark.dataset.last;
          mark.remove();
          var fresh = Array.prototype.slice.call(table.tBodies[0].rows);
          fresh.reverse().forEach(function (row) {
            row.classList.add("new");
            rows.prepend(row);
            setTimeout(function () { row.classList.remove("new"); }, 1200);
          });
          while (rows.rows.length > 200) rows.lastElementChild.remove();
          shown.textContent = rows.rows.length;
          state.textContent = "Live";
          state.removeAttribute("data-paused");
        }).catch(function () {
          state.textContent = "Not connected";
          state.setAttribute("data-paused", "");
        });
      };
      pause.hidden = false;
      pause.addEventListener("click", function () {
        paused = !paused;
        pause.textContent = paused ? "Resume" : "Pause";
        state.toggleAttribute("data-paused", paused);
        state.textContent = paused ? "Paused" : "Live";
      });
      setInterval(look, 2000);
    }

    all("[data-copy]").forEach(function (copy) {
      var label = copy.textContent;
      copy.hidden = !navigator.clipboard;
      copy.addEventListener("click", function () {
        var what = copy.dataset.copy, text = what === "link" ? location.href : one("#" + what).innerText.trim();
        navigator.clipboard.writeText(text).then(function () {
          copy.textContent = "Copied";
          setTimeout(function () { copy.textContent = label; }, 1500);
        });
      });
    });
  });
})();
