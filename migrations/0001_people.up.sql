-- Roles of the cluster: the owner (who runs this) migrates, the runtime serves one person at a time behind row-level
-- security, the operator sees everybody. The runtime may become the operator for work that crosses people
-- (dispatch, webhooks), explicitly and per transaction: it inherits nothing.
DO $$
BEGIN
  CREATE ROLE kalends_operator NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
DO $$
BEGIN
  CREATE ROLE kalends_runtime NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
GRANT kalends_operator TO kalends_runtime WITH INHERIT FALSE, SET TRUE;
GRANT USAGE ON SCHEMA public TO kalends_runtime, kalends_operator;
GRANT SELECT ON schema_migrations TO kalends_operator;  -- the runner's own table: doctor compares it with the files

CREATE FUNCTION current_user_id() RETURNS uuid
  LANGUAGE sql STABLE PARALLEL SAFE
  AS $$ SELECT nullif(current_setting('app.user_id', true), '')::uuid $$;
COMMENT ON FUNCTION current_user_id() IS 'The person this transaction works for, or null: then no tenant row is visible.';

-- Gives a tenant table its second wall. Every tenant table calls this once.
CREATE FUNCTION protect_tenant_table(tenant_table regclass, person_column name) RETURNS void
  LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tenant_table);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tenant_table);
  EXECUTE format('CREATE POLICY own_rows ON %s TO kalends_runtime USING (%I = current_user_id()) WITH CHECK (%I = current_user_id())',
                 tenant_table, person_column, person_column);
  EXECUTE format('CREATE POLICY all_rows ON %s TO kalends_operator USING (true) WITH CHECK (true)', tenant_table);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO kalends_runtime, kalends_operator', tenant_table);
END $$;

CREATE TABLE profiles (
  id            uuid PRIMARY KEY DEFAULT uuidv7(),
  email         text NOT NULL CHECK (email = lower(email) AND email LIKE '%_@_%'),
  name          text NOT NULL DEFAULT '',
  role          text NOT NULL DEFAULT 'user' CHECK (role IN ('admin', 'operator', 'user')),
  timezone      text,
  password_hash text,
  force_reset   boolean NOT NULL DEFAULT false,
  version       integer NOT NULL DEFAULT 1,
  created_at    timestamptz NOT NULL DEFAULT now(),
  updated_at    timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX profiles_email ON profiles (email);
COMMENT ON TABLE profiles IS 'People. Runbook 004 calls a person "provider": its provider_id is profiles.id.';
COMMENT ON COLUMN profiles.timezone IS 'An IANA name; null as long as neither the person nor their browser has said it: UTC.';
SELECT protect_tenant_table('profiles', 'id');

CREATE TABLE sessions (
  id           uuid PRIMARY KEY DEFAULT uuidv7(),
  user_id      uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
  token_hash   bytea NOT NULL UNIQUE,
  created_at   timestamptz NOT NULL DEFAULT now(),
  last_seen_at timestamptz NOT NULL DEFAULT now(),
  expires_at   timestamptz NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
SELECT protect_tenant_table('sessions', 'user_id');

CREATE TABLE api_tokens (
  id           uuid PRIMARY KEY DEFAULT uuidv7(),
  user_id      uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
  name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  hint         text NOT NULL,
  token_hash   bytea NOT NULL UNIQUE,
  created_at   timestamptz NOT NULL DEFAULT now(),
  last_used_at timestamptz,
  expires_at   timestamptz,
  revoked_at   timestamptz
);
COMMENT ON COLUMN api_tokens.hint IS 'The token''s beginning, by which its owner recognises it in a list.';
CREATE INDEX api_tokens_user ON api_tokens (user_id);
SELECT protect_tenant_table('api_tokens', 'user_id');

CREATE TABLE invitations (
  id         uuid PRIMARY KEY DEFAULT uuidv7(),
  role       text NOT NULL CHECK (role IN ('admin', 'operator', 'user')),
  email      text,
  token_hash bytea NOT NULL UNIQUE,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  used_at    timestamptz
);
COMMENT ON TABLE invitations IS 'One-time links that let a person in: the first administrator comes by one of these.';
GRANT SELECT, INSERT, UPDATE, DELETE ON invitations TO kalends_operator;

CREATE TABLE sign_in_attempts (
  subject      text NOT NULL,
  attempted_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sign_in_attempts_subject ON sign_in_attempts (subject, attempted_at);
COMMENT ON TABLE sign_in_attempts IS 'Failed sign-ins by hashed subject (address or e-mail), for rate limiting.';
GRANT SELECT, INSERT, DELETE ON sign_in_attempts TO kalends_operator;

CREATE TABLE idempotency_keys (
  user_id      uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
  key          text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
  request_hash bytea NOT NULL,
  status       integer,
  response     jsonb,
  created_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, key)
);
SELECT protect_tenant_table('idempotency_keys', 'user_id');

CREATE TABLE audit_log (
  id         uuid PRIMARY KEY DEFAULT uuidv7(),
  user_id    uuid REFERENCES profiles ON DELETE SET NULL,
  actor      text NOT NULL,
  action     text NOT NULL,
  entity     text NOT NULL,
  metadata   jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX audit_log_user ON audit_log (user_id, created_at);
COMMENT ON TABLE audit_log IS 'Append-only: who did what and why. Nobody may change or delete a row.';
SELECT protect_tenant_table('audit_log', 'user_id');
REVOKE UPDATE, DELETE ON audit_log FROM kalends_runtime, kalends_operator;

CREATE TABLE gates (
  name       text PRIMARY KEY,
  open       boolean NOT NULL,
  changed_by text NOT NULL,
  reason     text NOT NULL DEFAULT '',
  changed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE gates IS 'What may run, decided at run time. A gate without a row stands as the settings say.';
GRANT SELECT ON gates TO kalends_runtime;
GRANT SELECT, INSERT, UPDATE, DELETE ON gates TO kalends_operator;

CREATE TABLE outbox (
  id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id           uuid NOT NULL UNIQUE DEFAULT uuidv7(),
  user_id            uuid REFERENCES profiles ON DELETE CASCADE,
  aggregate_type     text NOT NULL,
  aggregate_id       uuid NOT NULL,
  event_type         text NOT NULL,
  routing_key        text NOT NULL,
  payload            jsonb NOT NULL,
  metadata           jsonb NOT NULL DEFAULT '{}',
  created_at         timestamptz NOT NULL DEFAULT now(),
  published_at       timestamptz,
  next_retry_at      timestamptz,
  retry_count        integer NOT NULL DEFAULT 0,
  last_error         text,
  dead_lettered_at   timestamptz,
  dead_letter_reason text
);
CREATE INDEX outbox_unpublished ON outbox (id) WHERE published_at IS NULL AND dead_lettered_at IS NULL;
SELECT protect_tenant_table('outbox', 'user_id');

CREATE TABLE leases (
  resource text PRIMARY KEY,
  token    bigint NOT NULL DEFAULT 1,
  holder   text NOT NULL,
  until    timestamptz NOT NULL
);
COMMENT ON TABLE leases IS 'One writer per resource. The token rises with each claim and fences the rows it guards.';
GRANT SELECT, INSERT, UPDATE, DELETE ON leases TO kalends_runtime, kalends_operator;

CREATE TABLE heartbeats (
  name text PRIMARY KEY,
  at   timestamptz NOT NULL
);
COMMENT ON TABLE heartbeats IS 'When a schedule last did its work: a gap tells of an outage.';
GRANT SELECT, INSERT, UPDATE ON heartbeats TO kalends_operator;

CREATE TABLE database_identity (
  is_this           boolean PRIMARY KEY DEFAULT true CHECK (is_this),
  system_identifier bigint NOT NULL,
  timeline          integer NOT NULL,
  database_oid      oid NOT NULL
);
COMMENT ON TABLE database_identity IS 'Of which cluster, timeline and database this was when dispatch last looked: a restored one differs.';
GRANT SELECT, INSERT, UPDATE ON database_identity TO kalends_operator;

CREATE TABLE quotas (
  subject    text PRIMARY KEY,
  calls      double precision NOT NULL,
  counted_at timestamptz NOT NULL,
  running    timestamptz[] NOT NULL DEFAULT '{}',
  live_until timestamptz NOT NULL DEFAULT '-infinity',
  repair_until timestamptz NOT NULL DEFAULT '-infinity'
);
COMMENT ON TABLE quotas IS 'What a provider lets an account do, counted across all workers.';
COMMENT ON COLUMN quotas.calls IS 'A bucket that fills up with time: the calls that may still be made.';
COMMENT ON COLUMN quotas.running IS 'Calls on their way: when each is over for certain.';
COMMENT ON COLUMN quotas.live_until IS 'Live work waits for its turn: until then no repair and no backfill begins a call.';
COMMENT ON COLUMN quotas.repair_until IS 'A repair waits for its turn: until then no backfill begins a call.';
GRANT SELECT, INSERT, UPDATE, DELETE ON quotas TO kalends_runtime, kalends_operator;

CREATE TABLE quota_days (
  subject text NOT NULL,
  day     date NOT NULL,
  calls   bigint NOT NULL,
  PRIMARY KEY (subject, day)
);
COMMENT ON TABLE quota_days IS 'Calls made on a day, by the subject whose daily line they count against.';
GRANT SELECT, INSERT, UPDATE, DELETE ON quota_days TO kalends_runtime, kalends_operator;
