// The only script: it tells a form of somebody new which time zone their browser keeps. Without it nothing is lost but
// that: the time zone is UTC until they choose another one on their profile.
for (const field of document.querySelectorAll("input[name=timezone]")) {
  field.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
}
