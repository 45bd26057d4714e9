DROP TABLE quota_days, quotas, database_identity, heartbeats, leases, outbox, gates, audit_log, idempotency_keys, sign_in_attempts, invitations, api_tokens, sessions, profiles;
DROP FUNCTION protect_tenant_table(regclass, name);
DROP FUNCTION current_user_id();
-- The roles stay: they belong to the cluster, and other databases may use them.
