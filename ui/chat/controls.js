let last = null, pressed = '', when = 0;
const act = (target) => {
  const value = target.tagName === 'SELECT' ? target.value : target.dataset.value;
  const same = pressed === target.dataset.action + value && Date.now() - when < 600;
  pressed = target.dataset.action + value;
  when = Date.now();
  if (!value || same) return;
  last = [...element.querySelectorAll('[data-action]')].indexOf(target);
  trigger('click', {action: target.dataset.action, value: value});
};
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-action]');
  if (button && element.contains(button) && !button.disabled) act(button);
});
element.addEventListener('change', (event) => {
  if (event.target.matches('select[data-action]')) act(event.target);
});
// The last message is edited where it stands; what it becomes is sent as the component's submit event.
const edit = (button) => {
  const row = button.closest('.message-row'), bubble = row.querySelector('.message'), form = document.createElement('form');
  form.className = 'edit-form';
  form.innerHTML = '<textarea aria-label="Your message" rows="2"></textarea><div><button type="button">Cancel</button><button>Send</button></div>';
  const area = form.querySelector('textarea');
  area.value = bubble.textContent;
  const close = () => { form.remove(); bubble.hidden = button.hidden = false; button.focus(); };
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const value = area.value.trim();
    close();
    if (value) trigger('submit', {value: value});
  });
  form.querySelector('[type=button]').addEventListener('click', close);
  area.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') close();
    if (event.key === 'Enter' && !event.shiftKey) { event.preventDefault(); form.requestSubmit(); }
  });
  bubble.hidden = button.hidden = true;
  row.append(form);
  area.focus();
};
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-edit]');
  if (button) edit(button);
});
watch('value', () => {
  if (last === null) return;
  const controls = element.querySelectorAll('[data-action]');
  if (controls.length) controls[Math.min(last, controls.length - 1)].focus({preventScroll: true});
  last = null;
});
