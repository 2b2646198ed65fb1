() => {
  const find = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];

  // The theme that was chosen by hand wins over the system's.
  const theme = localStorage.getItem('concierge-theme');
  if (theme) document.body.classList.toggle('dark', theme === 'dark');
  document.documentElement.lang = 'en';

  // A picture that is not there leaves no gap.
  document.addEventListener('error', (event) => {
    if (event.target.matches?.('img.picture')) event.target.remove();
  }, true);

  // --- a message is never lost: what is typed and what is being sent outlive a reload and a server that goes away
  const DRAFT = 'concierge-draft', SENT = 'concierge-sent';
  const box = () => find('#message textarea');
  const fill = (text) => {
    const area = box();
    if (!area) return;
    Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set.call(area, text);
    area.dispatchEvent(new Event('input', {bubbles: true}));
  };
  const asked = () => all('#transcript .user-row').length;
  const sent = () => JSON.parse(sessionStorage.getItem(SENT) || 'null');
  const say = (text) => {
    const note = find('#unsent');
    if (note && note.textContent !== text) note.textContent = text;
  };
  const alive = () => fetch('./alive', {cache: 'no-store'}).then(() => true, () => false);
  let gone = false, restored = false;
  const lost = () => {
    const own = sent() || {text: box().value, turn: asked()};
    sessionStorage.setItem(SENT, JSON.stringify(own));
    fill(own.text);
    find('#pending .thread')?.remove();
    find('#echo').replaceChildren();
    say('Not sent: the server does not answer. Your message stays here, and can be sent when it is back.');
    gone = true;
  };
  const watch = async () => {
    if (gone) {
      if (await alive()) location.reload();
    } else if (sent() && !(await alive()) && sent()) lost();
  };
  setInterval(watch, 1500);
  const sending = () => setTimeout(async () => {
    if (!gone && find('#echo').children.length && !(await alive())) lost();
  }, 400);
  document.addEventListener('input', (event) => {
    if (!event.target.matches('#message textarea')) return;
    sessionStorage.setItem(DRAFT, event.target.value);
    if (!gone) say('');
  });

  // What is sent is shown at once, until the server shows it; a row knows how many messages are shown before it.
  const coming = () => all('#pending .user.message, #echo .user.message').map((row) => row.textContent);
  const echo = (text) => {
    const row = document.createElement('div'), own = document.createElement('div'), busy = document.createElement('div');
    row.dataset.before = asked() + coming().length;
    row.className = 'message-row user-row';
    own.className = 'message user';
    own.textContent = text;
    row.append(own);
    busy.className = 'message-row bot-row';
    busy.innerHTML = '<div class="message bot" aria-busy="true" role="status">Working</div>';
    find('#echo').append(row, ...(coming().length ? [] : [busy]));
    return row;
  };
  const shown = () => {
    const count = asked() + all('#pending .user.message').length;
    const rows = all('#echo .user-row');
    if (!restored && !find('#pending .thread')) rows.forEach((row, place) => { row.dataset.before = count + place; });
    for (const row of rows) {
      if (row.dataset.before >= count) continue;
      if (row.nextSibling?.matches('.bot-row')) row.nextSibling.remove();
      row.remove();
    }
  };
  window.conciergeSent = (text) => new Promise((send) => {
    if (!text.trim()) return send();
    const row = echo(text.trim());
    if (box().value === text) fill('');
    sending();
    const next = () => {
      if (find('#echo .user-row') === row || (!gone && !row.isConnected)) send();
      else if (!gone) setTimeout(next, 50);
    };
    next();
  });

  const restore = () => {
    // Once the chat is shown: whatever was on its way and is not in it goes back into the box.
    restored = true;
    const own = coming().length ? null : sent(), draft = sessionStorage.getItem(DRAFT), kept = own && asked() > own.turn;
    if (!coming().length) sessionStorage.removeItem(SENT);
    if (kept && draft === own.text) sessionStorage.removeItem(DRAFT);
    else if (draft || (own && !kept)) fill(draft || own.text);
    if (own && !kept) say('This message was not sent: the server did not answer. Send it again when you like.');
  };

  // --- what has just come is brought into view
  let rows = 0, mine = 0, waiting = false;
  const smooth = matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth';
  const settle = () => {
    const now = all('#transcript .message-row').length, said = asked();
    if (now > rows && now > 2) {
      const row = said > mine ? all('#transcript .user-row').at(-1) : all('#transcript .bot-row').at(-1);
      setTimeout(() => row.scrollIntoView({behavior: rows ? smooth : 'auto', block: 'start'}), 60);
    }
    rows = now;
    mine = said;
    shown();
    const pending = coming().join('\n');
    if (pending && sent()?.text !== pending && !gone) {
      sessionStorage.setItem(SENT, JSON.stringify({text: pending, turn: said}));
    } else if (!pending && sent() && restored && !gone) sessionStorage.removeItem(SENT);
    if (restored && box() && !box().value) sessionStorage.removeItem(DRAFT);
    const chat = find('#beliefs [data-chat]')?.dataset.chat;
    if (restored && chat && chat !== sessionStorage.getItem('concierge-chat')) find('#echo').replaceChildren();
    if (chat) sessionStorage.setItem('concierge-chat', chat);
    const busy = Boolean(find('#pending .thread, #echo .message'));
    if (busy && !waiting) find('#echo').scrollIntoView({behavior: smooth, block: 'end'});
    waiting = busy;
    if (!restored && find('#beliefs .beliefs')) restore();
    const count = find('#open-sheet [data-count]'), held = all('#beliefs .chip').length;
    if (count && count.textContent !== String(held)) count.textContent = String(held);
    find('#studio-code .cm-scroller[tabindex="-1"]')?.setAttribute('tabindex', '0'); // scrolled without a mouse, too
    // Gradio's accordions do not say whether they are open, and their arrow is read out.
    for (const each of all('button.label-wrap')) {
      const open = String(each.classList.contains('open'));
      if (each.getAttribute('aria-expanded') !== open) each.setAttribute('aria-expanded', open);
      each.querySelector('.icon')?.setAttribute('aria-hidden', 'true');
    }
    // Gradio's pictures without names; screen readers need one.
    find('#message .submit-button')?.setAttribute('aria-label', 'Send');
    find('#message .stop-button')?.setAttribute('aria-label', 'Stop');
  };
  // --- a card's buttons are one stop of the Tab key; the arrows go from one to the next
  const buttons = (group) => [...group.querySelectorAll('button')];
  const stop = (group, own) => buttons(group).forEach((each) => { each.tabIndex = each === own ? 0 : -1; });
  document.addEventListener('focusin', (event) => {
    const group = event.target.closest('.card-actions [role=toolbar]');
    if (group) stop(group, event.target);
  });
  document.addEventListener('keydown', (event) => {
    const group = event.target.closest?.('.card-actions [role=toolbar]');
    const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    if (!group || !(step || event.key === 'Home' || event.key === 'End')) return;
    const each = buttons(group), place = each.indexOf(event.target);
    const next = step ? (place + step + each.length) % each.length : event.key === 'Home' ? 0 : each.length - 1;
    event.preventDefault();
    each[next].focus();
  });

  // --- on a phone the panels are a sheet that a button by the message box opens
  const sheet = (open) => {
    find('#side').classList.toggle('sheet-open', open);
    all('[data-sheet]').forEach((each) => each.setAttribute('aria-expanded', open));
    (open ? find('#close-sheet') : find('#open-sheet'))?.focus({preventScroll: true});
  };
  document.addEventListener('click', (event) => {
    if (event.target.closest('[data-sheet]')) sheet(!find('#side').classList.contains('sheet-open'));
    else if (event.target.closest('#clear, #new-chat, #chats button.row')) find('#side').classList.remove('sheet-open');
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && find('#side').classList.contains('sheet-open')) sheet(false);
  });

  let due = false;
  new MutationObserver(() => {
    if (due) return;
    due = true;
    requestAnimationFrame(() => { due = false; settle(); });
  }).observe(document.body, {childList: true, subtree: true, attributes: true, attributeFilter: ['class']});

  // --- a point of a trend is called what the button in the table is called that shows its texts
  document.addEventListener('click', (event) => {
    const label = event.target.closest('.trends-plot svg [aria-label]')?.getAttribute('aria-label');
    if (label) all('#trends-table [data-action]').find((own) => own.ariaLabel === label)?.click();
  });
}
