// Runs before anything is drawn, so that the page never shows the other colours first. A module would come too late.
;(function () {
  try {
    var theme = localStorage.getItem('theme')
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
  } catch {
    // A browser that keeps nothing shows the colours of its system.
  }
})()
