/** The script of the reference page: search, and opening the target of a link. */
export const referenceScript = `'use strict'
const search = document.getElementById('search')
const none = document.getElementById('none')
const operations = [...document.querySelectorAll('.operation')]
const links = new Map([...document.querySelectorAll('nav li')].map((item) => [item.dataset.for, item]))

const openLinked = () => {
  const linked = document.getElementById(decodeURIComponent(location.hash.slice(1)))
  if (!linked || !linked.classList.contains('operation')) return
  linked.open = true
  linked.scrollIntoView()
}

const find = () => {
  const words = search.value.toLowerCase().split(/\\s+/).filter((word) => word !== '')
  let found = 0
  for (const operation of operations) {
    const fits = words.every((word) => operation.dataset.words.includes(word))
    operation.hidden = !fits
    links.get(operation.id).hidden = !fits
    if (fits) found++
  }
  for (const group of document.querySelectorAll('.group, nav section'))
    group.hidden = !group.querySelector('.operation:not([hidden]), li:not([hidden])')
  none.hidden = found > 0
}

for (const example of document.querySelectorAll('.curl code'))
  example.textContent = example.textContent.replace('http://127.0.0.1:4000', location.origin)

search.addEventListener('input', find)
search.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') {
    search.value = ''
    find()
  }
  if (event.key === 'Enter') {
    const first = operations.find((operation) => !operation.hidden)
    if (first) location.hash = first.id
  }
})
document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.ctrlKey || event.metaKey || event.target === search) return
  event.preventDefault()
  search.focus()
})
document.addEventListener('toggle', (event) => {
  if (event.target.open && event.target.classList.contains('operation'))
    history.replaceState(null, '', '#' + event.target.id)
}, true)
addEventListener('hashchange', openLinked)
find()
openLinked()
`
