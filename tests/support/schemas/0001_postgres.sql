CREATE TABLE change_log (
    revision BIGINT NOT NULL,
    at TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    action TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    CONSTRAINT pk_change_log PRIMARY KEY (revision)
);
CREATE TABLE context_feature (
    name TEXT NOT NULL,
    position INTEGER NOT NULL,
    CONSTRAINT pk_context_feature PRIMARY KEY (name),
    CONSTRAINT uq_context_feature_position UNIQUE (position)
);
CREATE TABLE heksher_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT pk_heksher_version PRIMARY KEY (version_num)
);
CREATE TABLE setting (
    id BIGSERIAL NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    default_value TEXT NOT NULL,
    version TEXT NOT NULL,
    metadata TEXT NOT NULL,
    CONSTRAINT pk_setting PRIMARY KEY (id),
    CONSTRAINT uq_setting_name UNIQUE (name)
);
CREATE TABLE write_state (
    id INTEGER NOT NULL,
    last_rule_id BIGINT NOT NULL,
    CONSTRAINT pk_write_state PRIMARY KEY (id)
);
CREATE TABLE rule (
    id BIGINT NOT NULL,
    setting_id BIGINT NOT NULL,
    conditions_digest VARCHAR(64) NOT NULL,
    conditions TEXT NOT NULL,
    value TEXT NOT NULL,
    metadata TEXT NOT NULL,
    CONSTRAINT pk_rule PRIMARY KEY (id),
    CONSTRAINT uq_rule_setting_id_conditions_digest UNIQUE (setting_id, conditions_digest),
    CONSTRAINT fk_rule_setting_id FOREIGN KEY(setting_id) REFERENCES setting (id) ON DELETE CASCADE
);
CREATE TABLE setting_feature (
    setting_id BIGINT NOT NULL,
    feature TEXT NOT NULL,
    CONSTRAINT pk_setting_feature PRIMARY KEY (setting_id, feature),
    CONSTRAINT fk_setting_feature_setting_id FOREIGN KEY(setting_id) REFERENCES setting (id) ON DELETE CASCADE,
    CONSTRAINT fk_setting_feature_feature FOREIGN KEY(feature) REFERENCES context_feature (name)
);
CREATE INDEX ix_setting_feature_feature ON setting_feature (feature);
CREATE TABLE setting_name (
    name TEXT NOT NULL,
    setting_id BIGINT NOT NULL,
    CONSTRAINT pk_setting_name PRIMARY KEY (name),
    CONSTRAINT fk_setting_name_setting_id FOREIGN KEY(setting_id) REFERENCES setting (id) ON DELETE CASCADE
);
CREATE INDEX ix_setting_name_setting_id ON setting_name (setting_id);
