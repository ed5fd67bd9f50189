/** The text of a field, without spaces around it; '' where there is no such field. */
export function textOf(form: FormData, name: string): string {
  const given = form.get(name)
  return typeof given === 'string' ? given.trim() : ''
}
