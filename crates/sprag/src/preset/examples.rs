//! An event of each provider, in the shape that it documents, for the tests of presets: those in
//! this crate and those over real connections (`tests/preset.rs`), which include this file. So it
//! must not name anything of the crate.

/// What an event says about its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Nothing.
    None,
    /// Its number in its key.
    Number(u64),
    /// Its time, nanoseconds since 1970.
    Instant(u64),
}

/// A request as the provider sends it, but for its signature.
pub(crate) struct Example {
    pub(crate) preset: &'static str,
    pub(crate) headers: &'static [(&'static str, &'static str)],
    pub(crate) query: &'static str,
    pub(crate) body: &'static str,
    pub(crate) id: Option<&'static str>,
    pub(crate) key: &'static str,
    pub(crate) event_type: &'static str,
    pub(crate) position: Order,
}

const JSON: (&str, &str) = ("content-type", "application/json");

/// Shapes as the providers document them; the values are ours.
pub(crate) const EXAMPLES: &[Example] = &[
    Example {
        preset: "stripe",
        headers: &[JSON],
        query: "",
        body: r#"{"id":"evt_1NG8Du2eZvKYlo2CUI79vXWy","object":"event","api_version":"2019-02-19",
            "created":1686089970,"data":{"object":{"id":"seti_1NG8Du2eZvKYlo2C9XMqbR0x",
            "object":"setup_intent","status":"requires_confirmation","created":1686089970,
            "latest_attempt":null,"metadata":{}},"previous_attributes":{"status":null}},
            "livemode":false,"pending_webhooks":0,"request":{"id":null,"idempotency_key":null},
            "type":"setup_intent.created"}"#,
        id: Some("evt_1NG8Du2eZvKYlo2CUI79vXWy"),
        key: "seti_1NG8Du2eZvKYlo2C9XMqbR0x",
        event_type: "setup_intent.created",
        position: Order::Instant(1_686_089_970_000_000_000),
    },
    Example {
        preset: "github",
        headers: &[
            JSON,
            ("x-github-event", "issues"),
            ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
            ("x-github-hook-id", "292430182"),
        ],
        query: "",
        body: r#"{"action":"opened","issue":{"url":"https://api.github.com/repos/octocat/hi/issues/1347",
            "id":1,"number":1347,"updated_at":"2024-09-18T12:00:00Z"},"repository":{"id":1296269,
            "full_name":"octocat/hi","owner":{"login":"octocat","id":1}},"sender":{"id":1}}"#,
        id: Some("72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        key: "1296269/1347",
        event_type: "issues",
        position: Order::None,
    },
    Example {
        preset: "gitlab",
        headers: &[
            JSON,
            ("x-gitlab-event", "Merge Request Hook"),
            ("webhook-id", "f5e5f430-f57b-4e6e-9fac-d9128cd7232f"),
            ("idempotency-key", "f5e5f430-f57b-4e6e-9fac-d9128cd7232f"),
        ],
        query: "",
        body: r#"{"object_kind":"merge_request","event_type":"merge_request","user":{"id":1},
            "project":{"id":7,"path_with_namespace":"gitlabhq/gitlab-test"},
            "object_attributes":{"id":99,"iid":1,"target_branch":"main","source_project_id":14,
            "state":"opened","updated_at":"2013-12-03T17:23:34Z","action":"open"},"labels":[]}"#,
        id: Some("f5e5f430-f57b-4e6e-9fac-d9128cd7232f"),
        key: "7/merge_request/99",
        event_type: "merge_request",
        position: Order::None,
    },
    Example {
        preset: "shopify",
        headers: &[
            JSON,
            ("x-shopify-topic", "orders/create"),
            ("x-shopify-shop-domain", "johns-apparel.myshopify.com"),
            ("x-shopify-api-version", "2026-07"),
            ("x-shopify-webhook-id", "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"),
            ("x-shopify-event-id", "98880550-7158-44d4-b7cd-2c97c8a091b5"),
            ("x-shopify-triggered-at", "2023-03-29T18:00:27.877041743Z"),
        ],
        query: "",
        body: r#"{"id":820982911946154508,"admin_graphql_api_id":"gid://shopify/Order/820982911946154508",
            "email":"jon@example.com","total_price":"388.00","updated_at":"2023-03-29T14:00:27-04:00"}"#,
        id: Some("b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"),
        key: "johns-apparel%2Emyshopify%2Ecom/gid%3A%2F%2Fshopify%2FOrder%2F820982911946154508",
        event_type: "orders/create",
        position: Order::Instant(1_680_112_827_877_041_743),
    },
    Example {
        preset: "shopify-events",
        headers: &[
            JSON,
            ("shopify-topic", "Order"),
            ("shopify-action", "update"),
            ("shopify-shop-domain", "johns-apparel.myshopify.com"),
            ("shopify-api-version", "2026-07"),
            ("shopify-webhook-id", "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"),
            ("shopify-event-id", "98880550-7158-44d4-b7cd-2c97c8a091b5"),
            ("shopify-resource-id", "gid://shopify/Order/1"),
            ("shopify-triggered-at", "2026-01-29T18:00:27Z"),
        ],
        query: "",
        body: r#"{"order":{"id":"gid://shopify/Order/1"}}"#,
        id: Some("b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"),
        key: "johns-apparel%2Emyshopify%2Ecom/gid%3A%2F%2Fshopify%2FOrder%2F1",
        event_type: "Order",
        position: Order::Instant(1_769_709_627_000_000_000),
    },
    Example {
        preset: "slack",
        headers: &[JSON],
        query: "",
        body: r#"{"token":"z26uFbvR1xHJEdHE1OQiO6t8","team_id":"T123ABC456","api_app_id":"A123ABC456",
            "event":{"type":"message","channel":"C123ABC456","user":"U123ABC456","text":"hi ☃",
            "ts":"1515449522.000016","event_ts":"1515449522000016"},"type":"event_callback",
            "event_id":"Ev123ABC456","event_time":1515449522,"authorizations":[]}"#,
        id: Some("Ev123ABC456"),
        key: "T123ABC456/C123ABC456",
        event_type: "message",
        position: Order::None,
    },
    Example {
        preset: "twilio",
        headers: &[
            ("content-type", "application/x-www-form-urlencoded"),
            ("i-twilio-idempotency-token", "0e2b9b3f-6a0c-4d2e-8b59-2a1a7c1c1111"),
        ],
        query: "tenant=a%20b",
        body: "CallSid=CA1234567890ABCDE&AccountSid=AC1&From=%2B14158675309&To=%2B18005551212\
               &CallStatus=ringing&Direction=outbound-api&Timestamp=Wed%2C+18+Sep+2024+12%3A00%3A00\
               +%2B0000&CallbackSource=call-progress-events&SequenceNumber=1",
        id: Some("0e2b9b3f-6a0c-4d2e-8b59-2a1a7c1c1111"),
        key: "CA1234567890ABCDE",
        event_type: "ringing",
        position: Order::Number(1),
    },
    Example {
        preset: "svix",
        headers: &[JSON, ("svix-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")],
        query: "",
        body: r#"{"type":"user.updated","timestamp":1654012591514,"data":{"id":"user_29w83sxmDNGwOuEthce5gg56FcC",
            "updated_at":1654012591835}}"#,
        id: Some("msg_p5jXN8AQM9LWM0D4loKWxJek"),
        key: "user_29w83sxmDNGwOuEthce5gg56FcC",
        event_type: "",
        position: Order::None,
    },
    Example {
        preset: "square",
        headers: &[JSON],
        query: "",
        body: r#"{"merchant_id":"6SSW7HV8K2ST5","type":"order.updated","event_id":"bc316346-6691-4243-88ed-6d651a0d0c47",
            "created_at":"2020-04-16T23:14:26.129Z","data":{"type":"order_updated","id":"eA3vssLHKJrv9H0IdJCM3gNqfdcZY",
            "object":{"order_updated":{"order_id":"eA3vssLHKJrv9H0IdJCM3gNqfdcZY","version":2,"state":"OPEN"}}}}"#,
        id: Some("bc316346-6691-4243-88ed-6d651a0d0c47"),
        key: "6SSW7HV8K2ST5/order_updated/eA3vssLHKJrv9H0IdJCM3gNqfdcZY",
        event_type: "order.updated",
        position: Order::Instant(1_587_078_866_129_000_000),
    },
    Example {
        preset: "commercetools",
        headers: &[JSON],
        query: "",
        body: r#"{"notificationType":"Message","projectKey":"shop","id":"9b7a34e4-6ed4-4d3c-9f40-4b3d0b2a1111",
            "version":1,"sequenceNumber":2,"resource":{"typeId":"order","id":"8a1c3f2e-0000-4000-8000-1f9f6a1a1111"},
            "resourceVersion":5,"type":"OrderStateChanged","createdAt":"2024-09-18T11:59:59.123Z",
            "orderState":"Complete","oldOrderState":"Open"}"#,
        id: Some("9b7a34e4-6ed4-4d3c-9f40-4b3d0b2a1111"),
        key: "order/8a1c3f2e-0000-4000-8000-1f9f6a1a1111",
        event_type: "OrderStateChanged",
        position: Order::Number(2),
    },
    Example {
        preset: "adyen-transfers",
        headers: &[JSON, ("protocol", "HmacSHA256")],
        query: "",
        body: r#"{"data":{"id":"6JKRLZ8LOT47J7RY","amount":{"currency":"EUR","value":10000},
            "balanceAccount":{"id":"BA00000000000000000000001"},"category":"bank","direction":"outgoing",
            "creationDate":"2023-02-28T13:30:05+02:00","sequenceNumber":3,"status":"booked","type":"bankTransfer"},
            "environment":"test","timestamp":"2023-02-28T13:27:05+02:00","type":"balancePlatform.transfer.updated"}"#,
        id: None,
        key: "6JKRLZ8LOT47J7RY",
        event_type: "balancePlatform.transfer.updated",
        position: Order::Number(3),
    },
];
