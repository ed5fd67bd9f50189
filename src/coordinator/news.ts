/** Who follows which attempt in this process, to be told at once what the rows would tell him later. */
export interface News {
  on(attemptId: string, wake: () => void): () => void
  of(attemptId: string): void
}

export function createNews(): News {
  const followers = new Map<string, () => void>()
  return {
    on(attemptId, wake) {
      followers.set(attemptId, wake)
      return () => {
        if (followers.get(attemptId) === wake) followers.delete(attemptId)
      }
    },
    of: (attemptId) => followers.get(attemptId)?.(),
  }
}
