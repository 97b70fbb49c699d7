use super::*;

const TAGGED: &str = r#"
Resources:
  Ledger:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    Properties:
      TableName: !Sub "${AWS::StackName}-ledger"
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
      DeletionProtectionEnabled: !If [IsProd, true, false]
      SSESpecification: { SSEEnabled: true, KMSMasterKeyId: !GetAtt Key.Arn }
      TimeToLiveSpecification: { AttributeName: ttl, Enabled: true }
      StreamSpecification: { StreamViewType: NEW_IMAGE }
"#;

#[test]
fn tags_of_cloudformation_are_passed_over() {
    assert_eq!(table_of(TAGGED).unwrap().create["BillingMode"], "PAY_PER_REQUEST");
}

#[test]
fn a_detail_of_the_table_that_is_not_understood_is_an_error() {
    let kinesis = TAGGED.replace("StreamViewType: NEW_IMAGE", "StreamViewType: NEW_IMAGE, ResourcePolicy: x");
    let error = table_of(&kinesis).unwrap_err();
    assert!(error.contains("ResourcePolicy"), "{error}");
    let error = table_of(&TAGGED.replace("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable")).unwrap_err();
    assert!(error.contains("expected one AWS::DynamoDB::Table"), "{error}");
}

const FUNCTIONS: &str = r#"
Globals: { Function: { Timeout: 10 } }
Resources:
  Join:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: join } }
    Properties:
      Events: { Join: { Type: HttpApi, Properties: { Method: POST, Path: "/queue/{id}" } } }
  Work:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: work } }
    Properties:
      Timeout: 75
      EventInvokeConfig: { MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 60 }
      Events: { Stream: { Type: DynamoDB, Properties: { StartingPosition: LATEST } } }
"#;

#[test]
fn functions_have_their_timeouts_and_retries() {
    let functions = functions_of(FUNCTIONS).unwrap();
    let [join, work] = functions.as_slice() else { panic!("{functions:?}") };
    assert_eq!((join.name.as_str(), join.timeout), ("join", Duration::from_secs(10)), "the one of Globals");
    assert_eq!((work.name.as_str(), work.timeout), ("work", Duration::from_secs(75)));
    assert_eq!((join.terms.retries_max, work.terms.retries_max), (2, 0));
    assert_eq!(work.terms.age_max, Duration::from_secs(60));
    assert!(work.only_fed && !join.only_fed);
}

#[test]
fn routes_are_those_of_the_functions_and_a_greedy_one_is_refused() {
    let routes = routes_of(FUNCTIONS).unwrap();
    let [route] = routes.as_slice() else { panic!("{routes:?}") };
    assert_eq!((route.to_string().as_str(), route.function.as_str()), ("POST /queue/{id}", "join"));
    let greedy = r#"
Resources:
  F:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: join } }
    Properties:
      Events: { All: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: ANY, Path: "/{proxy+}" } } }
"#;
    let error = routes_of(greedy).unwrap_err();
    assert!(error.contains("found ANY /{proxy+}"), "{error}");
}

#[test]
fn a_reader_without_an_end_to_its_retries_is_an_error() {
    let endless = r#"
Resources:
  F:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: notifier } }
    Properties:
      Events: { S: { Type: DynamoDB, Properties: { Stream: !GetAtt Ledger.StreamArn, StartingPosition: LATEST } } }
"#;
    let with = |more: &str| mappings_of(&endless.replace("LATEST", &format!("LATEST, {more}")));
    for more in ["BatchSize: 1", "MaximumRetryAttempts: -1", "MaximumRetryAttempts: -2, MaximumRecordAgeInSeconds: 60"]
    {
        let error = with(more).unwrap_err();
        assert!(error.contains("F: expected MaximumRetryAttempts"), "{more}: {error}");
    }
    let by_age = with("MaximumRetryAttempts: -1, MaximumRecordAgeInSeconds: 60").unwrap();
    assert_eq!(by_age[0].retries_max, usize::MAX);
}
