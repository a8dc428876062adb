// Posts what the CloudEvents SDK for Go makes of the request, and writes it as Kafka records. Arguments: url, request.json, request.binpb, folder for the records.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/IBM/sarama"
	pb "github.com/cloudevents/sdk-go/binding/format/protobuf/v2"
	"github.com/cloudevents/sdk-go/protocol/kafka_sarama/v2"
	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	nethttp "net/http"
)

const sdk = "github.com/cloudevents/sdk-go v2.15.2"

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	url, folder := os.Args[1], os.Args[4]
	asJSON, asProtobuf := must(os.ReadFile(os.Args[2])), must(os.ReadFile(os.Args[3]))
	eventOf := func(id, eventType, contentType string, data []byte) cloudevents.Event {
		event := cloudevents.NewEvent()
		event.SetID(id)
		event.SetSource("urn:example:team")
		event.SetType(eventType)
		event.SetSubject("B-1 \"50 %\" für Köln 🚀")
		event.SetTime(time.Date(2026, 2, 3, 4, 5, 6, 789012345, time.UTC))
		event.SetDataSchema("urn:example:schemas/asked")
		for name, value := range map[string]any{
			"tenantid": "acme", "orgid": "retail", "correlationid": "c-1", "tracestate": "vendor=one", "attempt": 2, "replayed": true,
			"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		} {
			event.SetExtension(name, value)
		}
		if contentType == "application/json" {
			if err := event.SetData(contentType, json.RawMessage(data)); err != nil {
				panic(err)
			}
			return event
		}
		event.SetDataContentType(contentType)
		event.DataEncoded, event.DataBase64 = data, true
		return event
	}

	binary, structured := binding.WithForceBinary(context.Background()), binding.WithForceStructured(context.Background())
	protobuf := binding.UseFormatForEvent(structured, pb.Protobuf)
	ways := []struct {
		name        string
		ctx         context.Context
		contentType string
		data        []byte
	}{
		{"binary", binary, "application/json", asJSON},
		{"structured", structured, "application/json", asJSON},
		{"binary-protobuf", binary, "application/protobuf", asProtobuf},
		{"structured-protobuf", structured, "application/protobuf", asProtobuf},
		{"protobuf", protobuf, "application/json", asJSON},
		{"protobuf-protobuf", protobuf, "application/protobuf", asProtobuf},
	}
	for _, way := range ways {
		id := "go-http-" + way.name
		client := must(cloudevents.NewClientHTTP(cehttp.WithTarget(url + "/" + id)))
		if result := client.Send(way.ctx, eventOf(id, "automation.run.requested.v1", way.contentType, way.data)); cloudevents.IsUndelivered(result) {
			panic(result)
		}
	}
	batch := []cloudevents.Event{
		eventOf("go-http-batch-1", "automation.run.requested.v1", "application/json", asJSON),
		eventOf("go-http-batch-2", "automation.run.requested.v1", "application/protobuf", asProtobuf),
	}
	request := must(cehttp.NewHTTPRequestFromEvents(context.Background(), url+"/go-http-batch", batch))
	must(nethttp.DefaultClient.Do(request)).Body.Close()

	for _, way := range ways[2:] {
		id := "go-kafka-" + way.name
		event := eventOf(id, "asked", way.contentType, way.data)
		event.SetSource("urn:team")
		message := &sarama.ProducerMessage{}
		if err := kafka_sarama.WriteProducerMessage(way.ctx, binding.ToMessage(&event), message); err != nil {
			panic(err)
		}
		headers := [][2]string{}
		for _, header := range message.Headers {
			headers = append(headers, [2]string{string(header.Key), string(header.Value)})
		}
		value := base64.StdEncoding.EncodeToString(must(message.Value.Encode()))
		record := must(json.MarshalIndent(map[string]any{"sdk": sdk, "headers": headers, "valueBase64": value}, "", "  "))
		if err := os.WriteFile(filepath.Join(folder, id+".json"), append(record, '\n'), 0o644); err != nil {
			panic(err)
		}
	}
}
