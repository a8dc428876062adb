import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.core.format.EventFormat;
import io.cloudevents.http.HttpMessageFactory;
import io.cloudevents.jackson.JsonFormat;
import io.cloudevents.kafka.KafkaMessageFactory;
import io.cloudevents.protobuf.ProtobufFormat;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Posts what the CloudEvents SDK for Java makes of the request, and writes it as Kafka records. Arguments: url, request.json, request.binpb, folder for the records. */
public final class Capture {
  private static final EventFormat JSON = new JsonFormat();
  private static final EventFormat PROTOBUF = new ProtobufFormat();

  private record Way(String name, EventFormat format, String contentType, byte[] data) {}

  public static void main(String[] arguments) throws Exception {
    byte[] json = Files.readAllBytes(Path.of(arguments[1]));
    byte[] protobuf = Files.readAllBytes(Path.of(arguments[2]));
    List<Way> ways = List.of(
      new Way("binary", null, "application/json", json),
      new Way("structured", JSON, "application/json", json),
      new Way("binary-protobuf", null, "application/protobuf", protobuf),
      new Way("structured-protobuf", JSON, "application/protobuf", protobuf),
      new Way("protobuf", PROTOBUF, "application/json", json),
      new Way("protobuf-protobuf", PROTOBUF, "application/protobuf", packed(protobuf)));
    for (Way way : ways) {
      String id = "java-http-" + way.name();
      post(arguments[0] + "/" + id, eventOf(id, "urn:example:team", "automation.run.requested.v1", way), way.format());
    }
    for (Way way : ways.subList(2, ways.size())) {
      String id = "java-kafka-" + way.name();
      CloudEvent event = eventOf(id, "urn:team", "asked", way);
      var writer = KafkaMessageFactory.createWriter("requests");
      ProducerRecord<?, byte[]> record =
        way.format() == null ? writer.writeBinary(event) : writer.writeStructured(event, way.format());
      Files.writeString(Path.of(arguments[3], id + ".json"), textOf(record));
    }
  }

  /** The protobuf format of this SDK takes data of type application/protobuf for the bytes of an Any. */
  private static byte[] packed(byte[] message) {
    return Any.newBuilder()
      .setTypeUrl("type.googleapis.com/automation.v1.RunRequested")
      .setValue(ByteString.copyFrom(message))
      .build()
      .toByteArray();
  }

  private static CloudEvent eventOf(String id, String source, String type, Way way) {
    return CloudEventBuilder.v1()
      .withId(id)
      .withSource(URI.create(source))
      .withType(type)
      .withSubject("B-1 \"50 %\" für Köln 🚀")
      .withTime(OffsetDateTime.parse("2026-02-03T04:05:06.789012345+01:00"))
      .withDataSchema(URI.create("urn:example:schemas/asked"))
      .withExtension("tenantid", "acme")
      .withExtension("orgid", "retail")
      .withExtension("correlationid", "c-1")
      .withExtension("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
      .withExtension("tracestate", "vendor=one")
      .withExtension("attempt", 2)
      .withExtension("replayed", true)
      .withData(way.contentType(), way.data())
      .build();
  }

  private static void post(String url, CloudEvent event, EventFormat format) throws Exception {
    HttpURLConnection connection = (HttpURLConnection) new URL(url).openConnection();
    connection.setRequestMethod("POST");
    connection.setDoOutput(true);
    var writer = HttpMessageFactory.createWriter(connection::setRequestProperty, body -> send(connection, body));
    if (format == null) writer.writeBinary(event);
    else writer.writeStructured(event, format);
    if (connection.getResponseCode() != 202) throw new IllegalStateException("not recorded: " + url);
  }

  private static void send(HttpURLConnection connection, byte[] body) {
    try (OutputStream out = connection.getOutputStream()) {
      out.write(body);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  private static String textOf(ProducerRecord<?, byte[]> record) {
    List<String> headers = new ArrayList<>();
    record.headers().forEach(header ->
      headers.add(String.format("[\"%s\", \"%s\"]", header.key(), new String(header.value(), StandardCharsets.UTF_8).replace("\"", "\\\""))));
    String value = Base64.getEncoder().encodeToString(record.value());
    return String.format(
      "{%n  \"sdk\": \"io.cloudevents:cloudevents-kafka 4.0.1\",%n  \"headers\": [%s],%n  \"valueBase64\": \"%s\"%n}%n",
      String.join(", ", headers), value);
  }
}
