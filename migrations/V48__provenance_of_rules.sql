-- Where a shipped rule comes from, and how far it is to be trusted. It stands beside the rule, which never changes: releases from before this
-- read rules strictly. Can be run again.

alter table as1851_rules add column if not exists provenance jsonb;
