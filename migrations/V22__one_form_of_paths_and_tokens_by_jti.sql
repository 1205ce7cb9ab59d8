-- A path has one form, access tokens are ended by their jti and with the family of their sign-in, and an invitation takes no
-- address from another organisation.

set local firemode.purpose = 'operator';

-- Ids in a path are written in lower case from here on: keys that came with others go on answering.
update idempotency_keys k set path = lower(k.path)
where k.path <> lower(k.path)
  and not exists (
      select from idempotency_keys o
      where o.organisation_id = k.organisation_id and o.user_id = k.user_id and o.method = k.method and o.key = k.key
        and lower(o.path) = lower(k.path) and (o.path = lower(k.path) or o.ctid < k.ctid)
  );

-- The access token that was given with a refresh token, and until when it may be used at the latest.
alter table refresh_tokens add column access_jti uuid;
alter table refresh_tokens add column access_expires_at timestamptz;

-- An entry is about a token of its organisation, whoever holds it. Entries of one token were made for several users before.
alter table token_revocation_list add column by_jti_alone boolean not null default false;
delete from token_revocation_list a using token_revocation_list b
where a.organisation_id = b.organisation_id and a.jti = b.jti and (a.expires_at, a.id) < (b.expires_at, b.id);
alter table token_revocation_list add unique (organisation_id, jti);

-- Whoever has joined has an address for itself; until then it is taken in the organisation that invites alone, which is not
-- told of accounts elsewhere.
drop index idx_users_email;
create unique index idx_users_email on users (email) where joined_at is not null;
create unique index idx_users_organisation_email on users (organisation_id, email);
