// The setup of the examples in the documentation: an admission with all stores in memory, and a caller on a plan with two
// requests a minute, three a day, one at once, ten credits a month and the feature `export`.

fn shop() -> Result<(Arc<Admission>, Arc<Principal>, Now), Box<dyn std::error::Error>> {
    let two = NonZeroU32::MIN.saturating_add(1);
    let plan = Plan {
        rates: vec![Rate::new("burst", two, Duration::from_secs(60))],
        quota: Some(Quota::daily(3, TimeZone::UTC)),
        concurrency: Some(Concurrency::of(NonZeroU32::MIN)),
        credits: Some(MonthlyCredits { amount: 10, grant_day: 1, zone: TimeZone::UTC }),
        features: ["export".to_owned()].into(),
        ..Plan::named("small")
    };
    let keys = Arc::new(MemoryDirectory::new());
    let limits = Arc::new(LocalCounters::new());
    let stores = Stores { keys: keys.clone(), limits, credits: Arc::new(MemoryLedger::new()) };
    let pepper = Pepper::from_bytes(&[0; 32]);
    let plans = Arc::new(Plans::new([plan]));
    let admission = Admission::new(stores, pepper.clone(), plans, CacheConfig::default());

    let now = Now { wall: "2026-11-20T12:00:00Z".parse()?, monotonic: Duration::from_secs(1) };
    let account = Account { id: AccountId::generate(), name: "Acme".into(), plan: "small".into(), grant_day: None };
    let secret = Secret::generate("shop")?;
    let key = KeyRecord {
        id: KeyId::generate(),
        account: account.id.clone(),
        api: "shop".into(),
        prefix: "shop".into(),
        created: now.wall,
        expires: None,
        revoked: None,
        disabled: None,
        metadata: Default::default(),
        grants: Grants {
            operations: Scope::Only(["list".to_owned(), "export".to_owned()].into()),
            ..Grants::default()
        },
    };
    keys.insert(pepper.digest(secret.expose()), key, account);
    let caller = admission.authenticate(secret.expose(), "shop", "shop", now).block();
    let caller = caller.map_err(|denial| format!("{denial:?}"))?;
    Ok((admission, caller, now))
}
