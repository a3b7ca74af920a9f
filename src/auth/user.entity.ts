import { Column, CreateDateColumn, Entity, Index, PrimaryColumn } from 'typeorm';

/** A person's account. */
@Entity('users')
export class User {
  @PrimaryColumn('uuid')
  id: string;

  /** Trimmed and in lower case. */
  @Column('text')
  @Index('users_email_key', { unique: true })
  email: string;

  @Column('text')
  name: string;

  /** argon2id in PHC string format. */
  @Column('text')
  password_hash: string;

  @CreateDateColumn({ type: 'timestamptz' })
  created_at: Date;
}
