-- Whether an organisation wants items refused that no rule covers, instead of being warned of them. Can be run again.

alter table organisations add column if not exists strict_item_codes boolean not null default false;
