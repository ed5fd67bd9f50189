import type { ButtonHTMLAttributes } from 'react'

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  readonly kind?: 'main' | 'plain' | 'danger'
  readonly size?: 'normal' | 'large'
}

export const Button = ({ kind = 'plain', size = 'normal', className = '', ...rest }: ButtonProps) => (
  <button type="button" {...rest} className={`button ${className}`} data-kind={kind} data-size={size} />
)
