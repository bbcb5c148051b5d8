import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.zip.CRC32;
import org.zeromq.ZMQ;
import org.zeromq.ZMQException;

/**
 * One socket of JeroMQ 0.3.6, which speaks ZMTP 2.0. It takes the arguments, obeys the lines and says the lines of
 * ../libzmq/peer.c, without zap and monitor, over tcp.
 */
public final class Peer {
    private static final int LIMIT = 300_000, PATIENCE = 60_000, BEAT = 10, TICK = 2, PERIOD = 251, MAX_TEXT = 300;

    private final ZMQ.Socket socket;
    private final boolean receives;
    private final LinkedBlockingQueue<String> lines = new LinkedBlockingQueue<>();
    private boolean echo;
    private byte[] beat;
    private long beaten;

    private Peer(ZMQ.Socket socket, boolean receives, boolean echo) {
        this.socket = socket;
        this.receives = receives;
        this.echo = echo;
    }

    private static final String END = "end of input";

    private void readLines() {
        try (BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                lines.add(line);
            }
        } catch (java.io.IOException e) {
            System.err.println(e);
        }
        lines.add(END);
    }

    private static byte[] frame(String description) {
        if (description.startsWith("=")) {
            return description.substring(1).getBytes(StandardCharsets.ISO_8859_1);
        }
        String[] parts = description.split(":");
        byte[] data = new byte[Integer.parseInt(parts[0])];
        int seed = Integer.parseInt(parts[1]) % PERIOD;
        for (int i = 0; i < data.length; i++) {
            data[i] = (byte) ((i + seed) % PERIOD);
        }
        return data;
    }

    /** Sends one frame. A ROUTER waits until it has the peer. */
    private void sendFrame(byte[] data, boolean more) throws InterruptedException {
        for (;;) {
            try {
                if (socket.send(data, more ? ZMQ.SNDMORE : 0)) {
                    return;
                }
            } catch (ZMQException e) {
                if (e.getErrorCode() != zmq.ZError.EHOSTUNREACH) {
                    throw e;
                }
            }
            Thread.sleep(BEAT);
        }
    }

    private void send(String words) throws InterruptedException {
        String[] frames = words.split(" ");
        for (int i = 0; i < frames.length; i++) {
            sendFrame(frame(frames[i]), i < frames.length - 1);
        }
    }

    /** Returns one message, or null if none has come. */
    private List<byte[]> receive() {
        byte[] frame;
        try {
            frame = socket.recv(ZMQ.DONTWAIT);
        } catch (ZMQException e) { // a REP that owes a reply receives nothing
            frame = null;
        }
        if (frame == null) {
            return null;
        }
        List<byte[]> frames = new ArrayList<>();
        frames.add(frame);
        while (socket.hasReceiveMore()) {
            frames.add(socket.recv(0));
        }
        return frames;
    }

    private static String describe(byte[] frame) {
        CRC32 crc = new CRC32();
        crc.update(frame);
        String text = "";
        if (frame.length <= MAX_TEXT) {
            String s = new String(frame, StandardCharsets.ISO_8859_1);
            if (s.chars().allMatch(c -> c >= ' ' && c <= '~' && c != '"' && c != '\\')) {
                text = ", \"text\": \"" + s + "\"";
            }
        }
        return "{\"size\": " + frame.length + ", \"crc32\": " + crc.getValue() + text + "}";
    }

    private void take(List<byte[]> frames) throws InterruptedException {
        if (echo) {
            for (int i = 0; i < frames.size(); i++) {
                sendFrame(frames.get(i), i < frames.size() - 1);
            }
            return;
        }
        List<String> described = new ArrayList<>();
        frames.forEach(f -> described.add(describe(f)));
        System.out.println("{\"event\": \"received\", \"frames\": [" + String.join(", ", described) + "]}");
    }

    private void obey(String line) throws InterruptedException {
        String[] parts = line.split(" ", 2);
        switch (parts[0]) {
            case "send":
                send(parts[1]);
                break;
            case "beat":
                beat = parts[1].getBytes(StandardCharsets.ISO_8859_1);
                break;
            case "quiet":
                beat = null;
                break;
            case "echo":
            case "report":
                echo = parts[0].equals("echo");
                break;
            default:
                throw new IllegalArgumentException(line);
        }
        System.out.println("{\"event\": \"done\", \"do\": \"" + parts[0] + "\"}");
    }

    private void serve() throws InterruptedException {
        for (long end = System.currentTimeMillis() + LIMIT; System.currentTimeMillis() < end; ) {
            String line = lines.poll(TICK, TimeUnit.MILLISECONDS);
            if (END.equals(line)) {
                return;
            }
            if (line != null) {
                obey(line);
            }
            for (List<byte[]> m = receives ? receive() : null; m != null; m = receive()) {
                take(m);
            }
            if (beat != null && System.currentTimeMillis() >= beaten + BEAT) {
                socket.send(beat, ZMQ.DONTWAIT);
                beaten = System.currentTimeMillis();
            }
        }
    }

    private static void setOption(ZMQ.Socket socket, String type, String name, String value) {
        byte[] bytes = value.getBytes(StandardCharsets.ISO_8859_1);
        switch (name) {
            case "ROUTING_ID":
                socket.setIdentity(bytes);
                break;
            case "SUBSCRIBE":
                if (type.equals("XSUB")) {
                    byte[] subscription = new byte[bytes.length + 1];
                    subscription[0] = 1;
                    System.arraycopy(bytes, 0, subscription, 1, bytes.length);
                    socket.send(subscription, 0);
                } else {
                    socket.subscribe(bytes);
                }
                break;
            case "ROUTER_MANDATORY":
                socket.setRouterMandatory(!value.equals("0"));
                break;
            case "RECONNECT_IVL":
                socket.setReconnectIVL(Long.parseLong(value));
                break;
            default:
                throw new IllegalArgumentException(name);
        }
    }

    public static void main(String[] args) throws Exception {
        ZMQ.Context context = ZMQ.context(1);
        ZMQ.Socket socket = null;
        String type = "", bind = null, connect = null, endpoint = "";
        boolean echo = false;
        for (String arg : args) {
            String[] parts = arg.split("=", 2);
            switch (parts[0]) {
                case "type":
                    type = parts[1];
                    Field number = ZMQ.class.getField(type);
                    socket = context.socket(number.getInt(null));
                    socket.setLinger(0);
                    socket.setSendTimeOut(PATIENCE);
                    break;
                case "bind":
                    bind = parts[1];
                    break;
                case "connect":
                    connect = parts[1];
                    break;
                case "echo":
                    echo = true;
                    break;
                default:
                    setOption(socket, type, parts[0], parts[1]);
            }
        }
        if (bind != null) {
            String host = bind.substring(0, bind.lastIndexOf(':'));
            endpoint = host + ":" + socket.bindToRandomPort(host);
        } else {
            socket.connect(connect);
        }
        System.out.println("{\"event\": \"ready\", \"endpoints\": {\"socket\": [\"" + endpoint + "\"]}}");
        Peer peer = new Peer(socket, !type.equals("PUB") && !type.equals("PUSH"), echo);
        Thread reader = new Thread(peer::readLines);
        reader.setDaemon(true);
        reader.start();
        peer.serve();
        socket.close();
        context.term();
    }
}
