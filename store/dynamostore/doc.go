// Package dynamostore keeps a [store.Store] in Amazon DynamoDB, for hosts of more than one machine. It makes tables on request only
// ([CreateTables]), starts no goroutine that outlives a call, and knows nothing of listeners or music.
//
//	client := dynamodb.NewFromConfig(config) // of aws-sdk-go-v2; credentials and region are its matter
//	_, err := dynamostore.CreateTables(ctx, client, nil)
//	s, err := dynamostore.New(client, nil)
//
// # Tables
//
// There are three, billed on demand: rhythmiq-users, rhythmiq-interactions and rhythmiq-models, where the prefix "rhythmiq-" is an
// option. All have the same attributes:
//
//	pk    B  16 bytes: the partition, a UUID or a hash. No name or address is ever part of a key.
//	sk    S  the sort key, such as profile or vector#0198c0de-…
//	_v    B  16 bytes: the version, which is also the ETag
//	_c    B  8 random bytes: the call of Apply that wrote it, so that a call whose answer was lost knows its own write. Not of bulk rows
//	_ttl  N  seconds since 1970 from which the item is absent; DynamoDB deletes it some time later. Only where it expires
//	_xp   B  16 bytes: the partition in the index. Only where it is indexed
//	_xs   S  the place in it: the index's sort key, a NUL, pk in hexadecimal digits, sk
//	…        every field of the body as an attribute of its own: S, N, BOOL, NULL, L or M
//
// The console shows B in base64; for a UUID that is what "echo $UUID | tr -d - | xxd -r -p | base64" prints.
//
// A field whose name is empty, pk or sk, or begins with "_", has one more "_" before it, at every depth.
//
// Each table has one global secondary index, "index", on _xp and _xs. It holds whole items, since a listing by it gives whole items, and
// costs nothing where no item is indexed. There is no local secondary index.
//
// Below is an item of each kind, as the console's JSON view shows it, without its _c. Lists have their first element only, long strings are cut (…).
// A tune vector's start and end lie in a space of five features; what else the fields mean is said where the types are.
//
// # Table users
//
// What belongs to a listener lies under the profile's UUID: the profile, the login with its sessions, and the gate, which every write of a child passes.
//
//	{"pk": {"B":"FiZCFKCmQh6Mhidxk4Y0yA=="}, "sk": {"S":"profile"}, "_v": {"B":"6xHTDuy6C5JxJFJuBlq7OQ=="},
//	 "createdAt": {"S":"2026-03-01T18:00:00Z"}, "email": {"S":"eve@example.com"}, "firstName": {"S":"Eve"},
//	 "identity": {"M":{"issuer":{"S":"https://id.example.com"},"subject":{"S":"eve"}}}, "lastName": {"S":"Lee"},
//	 "phoneNumber": {"S":"+12015550123"}, "updatedAt": {"S":"2026-03-01T18:00:00Z"}, "username": {"S":"eve"}}
//	{"pk": {"B":"lUaFRN13RoqR1VoTWyLDkw=="}, "sk": {"S":"login"}, "_v": {"B":"aN46pnx3wvZZpyhRMqhm1A=="},
//	 "password": {"S":"$argon2id$v=19$m=…"},
//	 "sessions": {"L":[{"M":{"created":{"N":"1772388000"},"expires":{"N":"1772391600"},"id":{"S":"c69bb6f1-671b-4053-8ab1-6f5649ec7116"}}}]}}
//	{"pk": {"B":"lUaFRN13RoqR1VoTWyLDkw=="}, "sk": {"S":"gate"}, "_v": {"B":"sL7mVeVI2rXlI+MqsEZ8JA=="}}
//
// Unique names: a claim on an e-mail address, a username, or the subject of an identity provider, where pk is its hash.
//
//	{"pk": {"B":"D+WKP4Prlg+nVa06ZVUCGA=="}, "sk": {"S":"claim"}, "_v": {"B":"yi1fiN4dZYiTKoE9AZ/9vw=="},
//	 "profileId": {"S":"95468544-dd77-468a-91d5-5a135b22c393"}}
//
// API keys: the list, and one item each by the hash of the secret.
//
//	{"pk": {"B":"WvYi639KRwOU9+2thzEYqQ=="}, "sk": {"S":"api-keys"}, "_v": {"B":"i6WrvzoKVRiQLI7kBybvMw=="},
//	 "keys": {"L":[{"M":{"createdAt":{"S":"2026-03-01T18:00:00Z"},"hash":{"S":"176c0248b1337826…"},"id":{"S":"d1e2ac80-4d3b-49f9-bbc0-24a15f4acc3a"},"place":{"N":"0"}}}]},
//	 "next": {"N":"1"}}
//	{"pk": {"B":"WvYi639KRwOU9+2thzEYqQ=="}, "sk": {"S":"api-key#176c0248b1337826…"},
//	 "_v": {"B":"7zKHJNUpQS7RYOERXjD3gA=="}}
//
// Likes: those that were said, in order, and those that were learned.
//
//	{"pk": {"B":"qr+7TIIzTj6TkDofXreTaQ=="}, "sk": {"S":"preferences"}, "_v": {"B":"Rhwo9y9o09AQB5Ibi7S39g=="},
//	 "preferences": {"L":[{"M":{"createdAt":{"S":"2026-03-01T18:00:00Z"},"id":{"S":"f1bd9d73-451f-4ed6-8715-e48efa320828"},"type":{"S":"genre"},"updatedAt":{"S":"2026-03-01T18:00:00Z"},"value":{"S":"genre 10 of 5"},"weight":{"N":"1"}}}]}}
//	{"pk": {"B":"mN4t1xDVSTyMeay4lt0nRA=="}, "sk": {"S":"learned"}, "_v": {"B":"L+ZGq8XPKz8wJWBIDWPvwQ=="},
//	 "ended": {"L":[{"S":"d9efb9dd-515e-4662-a55d-4ea0499e8293"}]},
//	 "parts": {"L":[{"M":{"landmark":{"N":"683"},"seen":{"S":"MomCoMw7Hx4="},"values":{"L":[{"M":{"a":{"N":"0.969089000160025"},"n":{"N":"1"},"s":{"N":"-0.969089000160025"},"t":{"S":"artist"},"v":{"S":"Ursin Ulvivarre"}}}]}}}]}}
//
// Variables: one item each, and one that keeps the type from standing twice. Readings lie under the consent.
//
//	{"pk": {"B":"04daWshwQI+/kvRQjtnv/A=="}, "sk": {"S":"variable#01a209e2-ca37-7ac7-ae6b-744bb34be26d"},
//	 "_v": {"B":"Gqat9IrJx4bm47Ia3jxk/g=="}, "consent": {"S":"b5691097-a482-43ec-9cc0-f55b3f56977d"},
//	 "createdAt": {"S":"2026-03-01T18:00:00Z"}, "id": {"S":"01a209e2-ca37-7ac7-ae6b-744bb34be26d"}, "retentionDays": {"N":"1"},
//	 "timeZone": {"S":"Europe/Berlin"}, "type": {"S":"time-of-day"}, "updatedAt": {"S":"2026-03-01T18:00:00Z"}}
//	{"pk": {"B":"04daWshwQI+/kvRQjtnv/A=="}, "sk": {"S":"variable-type#heart-rate-variability"}, "_v": {"B":"lOSOm5fc0PQXA4aixwyP9g=="}}
//
// Tune vectors: the definition and what was made of it, the plan in chunks, and what is there while one is playing.
//
//	{"pk": {"B":"V2T4jgv3T+2ZTi/bDFJ7yA=="}, "sk": {"S":"vector#01a209e2-cbbb-7b47-8237-b4f107180909"},
//	 "_v": {"B":"shGP80Zoyh7vBElDex6pGg=="}, "chunks": {"N":"1"}, "createdAt": {"S":"2026-03-01T18:00:00Z"},
//	 "definition": {"M":{"durationMinutes":{"N":"5"},"mode":{"S":"ai"},"name":{"S":"Rest"}}},
//	 "end": {"M":{"acousticness":{"N":"0.7262"},"energy":{"N":"0.1797"},"instrumentalness":{"N":"0.8407"},"tempo":{"N":"76.708"},"valence":{"N":"0.2249"}}},
//	 "moments": {"L":[{"M":{"a":{"S":"2026-03-01T18:00:00Z"},"e":{"S":"d0fc8dc0-ad0e-4262-ab78-52b679e3cc7d"},"s":{"N":"-0.5345"},"t":{"S":"demo-new-age-007"}}}]},
//	 "played": {"N":"1"}, "playedFrom": {"S":"2026-03-01T18:00:00Z"}, "revision": {"S":"a7d40f43-9895-4a57-bea6-7e898663c77a"},
//	 "seed": {"N":"2147525187152131"},
//	 "start": {"M":{"acousticness":{"N":"0.7262"},"energy":{"N":"0.1797"},"instrumentalness":{"N":"0.8407"},"tempo":{"N":"76.708"},"valence":{"N":"0.2249"}}},
//	 "updatedAt": {"S":"2026-03-01T18:00:00Z"}}
//	{"pk": {"B":"uS0OJ5HmSyaikovTONJymw=="}, "sk": {"S":"plan#01a209e2-cb2d-7d26-b70c-2765eac9ed35#0"},
//	 "_v": {"B":"Quru6uie6DLAM8Bs6uJD0w=="},
//	 "baselines": {"M":{"greedy":{"N":"2.409107629630388"},"shuffle":{"N":"6.071959307113425"},"sorted":{"N":"2.2243676878958487"}}},
//	 "boundOver": {"S":"shortlist"}, "complete": {"BOOL":true}, "cost": {"N":"2.0729670803574676"}, "duration": {"N":"1190"},
//	 "gap": {"N":"0.0027375703666103614"}, "lowerBound": {"N":"2.0673076801137222"},
//	 "revision": {"S":"49b20406-7f4b-4e93-8d81-3ba1ddac8843"},
//	 "tracks": {"L":[{"M":{"d":{"N":"214"},"f":{"M":{"acousticness":{"N":"0.4298"},"energy":{"N":"0.4244"},"instrumentalness":{"N":"0.2431"},"tempo":{"N":"103.82"},"valence":{"N":"0.3883"}}},"g":{"N":"0"},"id":{"S":"demo-alternative-033"},"s":{"N":"0"},"w":{"L":[{"S":"opens the rock stage"}]}}}]}}
//	{"pk": {"B":"V2T4jgv3T+2ZTi/bDFJ7yA=="}, "sk": {"S":"playing#01a209e2-cbbb-7b47-8237-b4f107180909"},
//	 "_v": {"B":"iU113ipw+IaAVNN37Algyg=="}, "_ttl": {"N":"1772388300"}}
//
// Work that was begun and must be finished, in sixteen partitions, whose names are hashed.
//
//	{"pk": {"B":"UpEK8mkp6oEO9ydda5zj8Q=="}, "sk": {"S":"delete-profile#5af622eb-7f4a-4703-94f7-edad873118a9"},
//	 "_v": {"B":"aHWkPIp4foU9ePzXzkpTxg=="}}
//	{"pk": {"B":"D9w27H43KAnZ7tDMiJgJbw=="}, "sk": {"S":"wipe-readings#afadf305-29b9-48fc-bb2a-d95c240f58ba"},
//	 "_v": {"B":"i7L6JLZ3/fsqhNex5XA53g=="}, "consent": {"S":"afadf305-29b9-48fc-bb2a-d95c240f58ba"},
//	 "profileId": {"S":"d3875a5a-c870-408f-bf92-f4508ed9effc"}, "type": {"S":"heart-rate-variability"},
//	 "variableId": {"S":"01a209e2-ca30-76af-8af5-ae00efc12d60"}}
//	{"pk": {"B":"UpEK8mkp6oEO9ydda5zj8Q=="}, "sk": {"S":"withhold-late#c091fc4a-f597-44fb-a599-c5e052a6e2f9"},
//	 "_v": {"B":"GEIcCJ/yLAOOI5A/ZAhIoQ=="}, "due": {"S":"2026-03-01T18:15:00Z"}}
//	{"pk": {"B":"S0F3OghRqCpt7jWLQCeCgA=="}, "sk": {"S":"refresh-spotify@2026-03-01T18:48:24Z#c0010a11-5d05-4fb3-90fc-43c2ed7e238d"},
//	 "_v": {"B":"zuliXm4XLvlJ/8Pt/yU/lQ=="}}
//	{"pk": {"B":"S0F3OghRqCpt7jWLQCeCgA=="}, "sk": {"S":"unlink-spotify#c0010a11-5d05-4fb3-90fc-43c2ed7e238d"},
//	 "_v": {"B":"vD12zEuJQfglMrqBBH4rAQ=="}}
//
// What came from Spotify: the link under its profile, with sealed tokens; under hashes whose account it is, and for ten minutes, sealed, what was begun and an account
// that waits to be linked; what is there as long as the link is; and the lease of whoever refreshes tokens.
//
//	{"pk": {"B":"nUFBeFZ4Tou6gBiRU6OSPA=="}, "sk": {"S":"spotify#link"}, "_v": {"B":"lJkGum9r/UnDEutpooOEyw=="},
//	 "authorizedAt": {"S":"2026-03-01T18:00:00Z"}, "due": {"S":"2026-03-01T18:30:49Z"}, "expires": {"S":"2026-03-01T19:00:00Z"},
//	 "generation": {"N":"1"}, "id": {"S":"21b57882-a671-468a-bf3b-25de0e7b44f2"}, "linkedAt": {"S":"2026-03-01T18:00:00Z"},
//	 "owner": {"M":{"account_id":{"S":""},"display_name":{"S":"Somebody"},"id":{"S":"listener359"}}},
//	 "scopes": {"L":[{"S":"playlist-read-private"}]}, "tokens": {"S":"AQEx66OCm3E6I3DH…"}}
//	{"pk": {"B":"bRCIRS20M4X74yo3NSM17g=="}, "sk": {"S":"spotify#claim"}, "_v": {"B":"1Syffkh6h1+/uJ5HYbEqbg=="},
//	 "profileId": {"S":"c0010a11-5d05-4fb3-90fc-43c2ed7e238d"}}
//	{"pk": {"B":"bkPHpp4YWPHIQkQNpLStqw=="}, "sk": {"S":"spotify#flow"}, "_v": {"B":"+EzYVRreyfFMNPgw01XarA=="},
//	 "_ttl": {"N":"1772388600"}, "sealed": {"S":"AQExorcjF6VBbzRX…"}, "used": {"BOOL":true}}
//	{"pk": {"B":"8YNktTuGqLvH18tqtEYF3A=="}, "sk": {"S":"spotify#pending"}, "_v": {"B":"LeygK5h0C3UFq+BkY6esqw=="},
//	 "_ttl": {"N":"1772388600"}, "sealed": {"S":"AQExIP6kOmfDrWkM…"}}
//	{"pk": {"B":"3ZkEwro2Rvqn8+DhXtHlMg=="}, "sk": {"S":"spotify#gate#5a14e088-561a-4c9e-8a2c-8d6e1b16cea4"},
//	 "_v": {"B":"62XHQ8HI26WkZX956lCk9w=="}}
//	{"pk": {"B":"LD6fbyT+PISoLW/e+CPrxQ=="}, "sk": {"S":"spotify#worker"}, "_v": {"B":"+WaTwr8ZC90y2Tj7CYE8bQ=="}, "_ttl": {"N":"1772388120"}}
//
// The keys that sign sessions, and the answer to a request with an Idempotency-Key, sealed, for a day.
//
//	{"pk": {"B":"CxWG3sjIBAePXF9FyQEKkg=="}, "sk": {"S":"keys"}, "_v": {"B":"G2bdTT3ptudXzuKjuPWAww=="},
//	 "keys": {"L":[{"M":{"id":{"S":"adef0dbc1c59c975"},"secret":{"S":"…"},"signUntil":{"N":"1772474400"},"ttl":{"N":"3600"}}}]}}
//	{"pk": {"B":"imrcxabES11b/VOAHlHd7A=="}, "sk": {"S":"answer"}, "_v": {"B":"IWQqeZRcTcz2e9LeVvKLLw=="}, "_ttl": {"N":"1772474400"},
//	 "done": {"BOOL":true}, "sealed": {"S":"fNeZvmDd+42idQa7…"}}
//
// # Table interactions
//
// Bulk rows, gone after 90 days or when the listener says: an interaction under the profile, indexed by its day, and a reading under its consent.
//
//	{"pk": {"B":"V2T4jgv3T+2ZTi/bDFJ7yA=="}, "sk": {"S":"event#2026-03-01T18:00:00.000000000Z#d0fc8dc0-ad0e-4262-ab78-52b679e3cc7d"},
//	 "_v": {"B":"71vYLT8sMMJiANp9rKPC5Q=="}, "_ttl": {"N":"1780164000"}, "_xp": {"B":"mX0oB9AXDAkav+Mjj1He1A=="},
//	 "_xs": {"S":"2026-03-01T18:00:00.000000000Z#d0fc8dc0-ad0e-4262-ab78-52b679e3cc7d\u00005764f88e0bf7…"}, "action": {"S":"skip"},
//	 "positionSeconds": {"N":"5"}, "trackId": {"S":"demo-new-age-007"}, "tuneVectorId": {"S":"01a209e2-cbbb-7b47-8237-b4f107180909"}}
//	{"pk": {"B":"d/NMNCuBTbKFqvhNKfyudA=="}, "sk": {"S":"reading#2026-03-01T18:00:00.000Z#b1c8a3ac3f1a593e"},
//	 "_v": {"B":"643QHfh7MuphUEd1oHa3Iw=="}, "_ttl": {"N":"1780164000"}, "at": {"N":"1772388000000"},
//	 "place": {"M":{"latitude":{"N":"52.51802"},"longitude":{"N":"13.39803"}}}, "value": {"N":"0"}}
//
// # Table models
//
// What is popular: the counts of a day, their sum, and a lease while one server counts.
//
//	{"pk": {"B":"d9lpAI6ZRfGmYah2g2AUtA=="}, "sk": {"S":"day#2026-03-01"}, "_v": {"B":"939/nMKwUJDwa43ESPbxMA=="},
//	 "_ttl": {"N":"1780099200"}, "countedAt": {"S":"2026-03-01T18:00:00Z"}, "tracks": {"L":[]}}
//	{"pk": {"B":"d9lpAI6ZRfGmYah2g2AUtA=="}, "sk": {"S":"tally"}, "_v": {"B":"upgtk0pNp9yezgikaTAuJQ=="},
//	 "countedAt": {"S":"2026-03-01T18:00:00Z"}, "tracks": {"L":[]}}
//	{"pk": {"B":"d9lpAI6ZRfGmYah2g2AUtA=="}, "sk": {"S":"lease"}, "_v": {"B":"c8jwgbqiDgAZPkEuoZqOKA=="}, "_ttl": {"N":"1772388600"}}
//
// The models of taste: a version each, which of them is live, how far training is, and a lease while one server trains. The models themselves are files elsewhere.
//
//	{"pk": {"B":"cFg0jiJ0vvKHVBVJ9h+HKA=="}, "sk": {"S":"version#01a2262c-a797-7860-8ccd-a03b91d1813c"},
//	 "_v": {"B":"5MGlEHwOu6hvQjEU4MW1TA=="}, "algorithm": {"S":"itemknn"},
//	 "artifact": {"M":{"blob":{"S":"models/01a2262c-a797-7860-8ccd-a03b91d1813c.safetensors"},"sha256":{"S":"3c0e5c06c2486a4c…"},"size":{"N":"3984"}}},
//	 "cells": {"N":"304"}, "createdAt": {"S":"2026-03-01T18:00:00Z"}, "data": {"S":"8d4eff16ff0128e8…"}, "items": {"N":"30"}, "listeners": {"N":"24"},
//	 "metrics": {"M":{"coverage":{"N":"0.5333333333333333"},"listeners":{"N":"24"},"ndcg10":{"N":"0.7502197128381191"}}},
//	 "state": {"S":"candidate"}, "until": {"S":"2026-03-01T18:00:00Z"}}
//	{"pk": {"B":"cFg0jiJ0vvKHVBVJ9h+HKA=="}, "sk": {"S":"live"}, "_v": {"B":"CLK2LvCi1wxSyKghP5bn4w=="},
//	 "version": {"S":"01a2262c-a797-7860-8ccd-a03b91d1813c"}}
//	{"pk": {"B":"cFg0jiJ0vvKHVBVJ9h+HKA=="}, "sk": {"S":"training"}, "_v": {"B":"kdvvEXzBze0ToghoIE67aw=="},
//	 "begun": {"S":"2026-03-01T18:00:00Z"}, "cells": {"N":"0"}, "events": {"N":"0"},
//	 "job": {"M":{"algorithm":{"S":"itemknn"},"id":{"S":"01a2262c-a797-7860-8ccd-a03b91d1813c"},"until":{"S":"2026-03-01T18:00:00Z"}}},
//	 "tried": {"S":"2026-03-01T18:00:00Z"}}
//	{"pk": {"B":"cFg0jiJ0vvKHVBVJ9h+HKA=="}, "sk": {"S":"training-lease"}, "_v": {"B":"KILQLye9959xEFGicBqZEA=="},
//	 "_ttl": {"N":"1772388600"}}
//
// The models of situations have the same in a partition of their own, and when something was last withdrawn of what they learn from: the version of an item says it.
//
//	{"pk": {"B":"HxXUI0U4c9199xYl4b5Udg=="}, "sk": {"S":"withdrawn"}, "_v": {"B":"cSaVJOZifYuoi8BGoZGLFg=="}}
//
// # Cost
//
// A Get is one GetItem and a page one Query, eventually consistent unless the caller asks for [store.Strong]. An Apply of one write is
// one PutItem or DeleteItem with a condition; only one of several is a transaction, which DynamoDB charges twofold. Bulk
// writes are BatchWriteItem. An Apply reads only where DynamoDB's answer was lost.
//
// # Faults
//
// Refusals (throttling, a conflict with a transaction under way) are tried again with growing random pauses within
// [Options.Patience]. So is a request whose answer was lost, but only where a first attempt that arrives late can do no harm: reads,
// transactions (by their client request token), and bulk writes, which are for rows that nobody else changes meanwhile. (One that was given up and arrives
// after its listener is gone stays until its _ttl, where only a training may come across it.) A single write is read back instead: it was made if the item bears this call of Apply (_c), and otherwise the outcome is unknown, which is
// [store.ErrUnavailable]. Its version would not prove as much, since the same writes may have been applied before, and the attempt in question may yet arrive.
// Nor is a single write on the condition of a version sent twice: by the time when the first one arrives, that version may be back. A condition that fails
// after an attempt with an unknown outcome is unknown too, never a conflict.
//
// Where writes that delete on a condition are applied again, their items may be gone because of them. Whether a conflict is one is decided by one moment of
// DynamoDB's: the puts are then sent on the further condition that they were not made yet.
//
// What has expired is decided by the clock of the machine that asks, as it was when it sent the request that was decided. So the clocks of all servers must
// agree to about a second, and about so long an item may be there for one and gone for another at the end of its time.
//
// Sources: Amazon DynamoDB Developer Guide, "Amazon DynamoDB Transactions: How it works" (isolation, idempotency), "Error handling
// with DynamoDB", "Service, account, and table quotas".
package dynamostore
