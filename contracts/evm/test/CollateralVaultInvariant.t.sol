// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {CollateralVault} from "../src/CollateralVault.sol";
import {FeeOnTransferToken} from "../src/devnet/FeeOnTransferToken.sol";
import {TestToken} from "../src/devnet/TestToken.sol";
import {Message, MessageKind, MessageLib} from "../src/MessageLib.sol";
import {vm} from "./support/Cheats.sol";
import {Guardians} from "./support/Guardians.sol";

/// @notice Does to a vault whatever can be done, and keeps plain books beside it.
contract VaultHandler is Guardians {
    uint256 internal constant ACTORS = 3;
    uint256 public constant CAPACITY = 5_000;
    uint64 public constant WINDOW_SECONDS = 3600;
    uint64 internal constant EXIT_DELAY_SECONDS = 2 hours;

    struct Outflow {
        uint256 timestamp;
        uint256 amount;
    }

    CollateralVault public vault;
    TestToken[2] public tokens;
    uint256[] private _guardianKeys;
    uint256 private _now = START;

    mapping(address token => uint256) public totalIn; // what arrived
    mapping(address token => uint256) public totalOut; // what left
    mapping(address token => uint256) public donated; // what nobody locked
    mapping(address token => Outflow[]) private _outflows;
    bytes[] private _done; // executed messages
    uint256 public replaysAccepted;
    uint256 public underSignedAccepted;
    uint256 public locks;
    uint256 public payments;
    uint256 public limited;
    uint256 public exits;
    bool public lockIdsAreConsecutive = true;

    constructor() {
        vm.warp(START);
        _guardianKeys = _keys(3, 0);
        tokens[0] = new TestToken("Plain", "PLN", 18);
        tokens[1] = new FeeOnTransferToken("Fee", "FEE", 6, 30);
        address[] memory listed = new address[](2);
        (listed[0], listed[1]) = (address(tokens[0]), address(tokens[1]));
        uint256[] memory capacities = new uint256[](2);
        (capacities[0], capacities[1]) = (CAPACITY, CAPACITY);
        vault = new CollateralVault(
            HUB_KEY,
            _addresses(_guardianKeys),
            2,
            OVERLAP_SECONDS,
            EXIT_DELAY_SECONDS,
            listed,
            capacities,
            WINDOW_SECONDS
        );
    }

    modifier atNow() {
        vm.warp(_now);
        _;
    }

    function accountOf(
        uint256 actor
    ) public view returns (bytes32) {
        return vault.accountOf(_owner(actor), bytes32(0));
    }

    function _owner(
        uint256 actor
    ) private pure returns (address) {
        return address(uint160(0x1000 + actor % ACTORS));
    }

    function passTime(
        uint16 seconds_
    ) external {
        // Small steps against the window of an hour, so that spans overlap.
        _now += seconds_ % 1200;
    }

    function lock(
        uint256 actor,
        uint256 which,
        uint256 amount
    ) external atNow {
        TestToken token = tokens[which % 2];
        amount = amount % 10_000 + 2;
        address owner = _owner(actor);
        token.mint(owner, amount);
        uint256 before = token.balanceOf(address(vault));
        vm.startPrank(owner);
        token.approve(address(vault), amount);
        uint64 lockId = vault.lock(accountOf(actor), address(token), amount);
        vm.stopPrank();
        totalIn[address(token)] += token.balanceOf(address(vault)) - before;
        locks++;
        lockIdsAreConsecutive = lockIdsAreConsecutive && lockId == locks;
    }

    function pay(
        uint256 actor,
        uint256 which,
        uint256 amount,
        bool isSeizure
    ) external atNow {
        TestToken token = tokens[which % 2];
        uint256 owned = vault.collateralOf(accountOf(actor), address(token));
        if (owned == 0) {
            return;
        }
        // Sometimes a little more than there is.
        amount = amount % (owned + owned / 8 + 1) + 1;
        bytes memory raw = _payment(actor, token, amount, isSeizure);
        bytes[] memory signatures = _signatures(vault, raw, 0, _first(_guardianKeys, 2));
        bool isFree = amount <= vault.outflowAvailable(address(token));
        (bool accepted,) = address(vault).call(abi.encodeCall(vault.execute, (raw, 0, signatures)));
        vm.assertEq(accepted, amount <= owned && isFree);
        if (accepted) {
            totalOut[address(token)] += amount;
            _outflows[address(token)].push(Outflow(_now, amount));
            _done.push(raw);
            payments++;
        } else if (amount <= owned) {
            limited++;
        }
    }

    function payUnderSigned(
        uint256 actor,
        uint256 which,
        uint256 signer
    ) external atNow {
        TestToken token = tokens[which % 2];
        bytes memory raw = _payment(actor, token, 1, false);
        uint256[] memory one = new uint256[](1);
        one[0] = _guardianKeys[signer % 3];
        bytes[] memory single = _signatures(vault, raw, 0, one);
        bytes[] memory twice = new bytes[](2);
        (twice[0], twice[1]) = (single[0], single[0]);
        (bool first,) = address(vault).call(abi.encodeCall(vault.execute, (raw, 0, single)));
        (bool second,) = address(vault).call(abi.encodeCall(vault.execute, (raw, 0, twice)));
        if (first || second) {
            underSignedAccepted++;
        }
    }

    function replay(
        uint256 which
    ) external atNow {
        if (_done.length == 0) {
            return;
        }
        bytes memory raw = _done[which % _done.length];
        // Other signers of the same set do not make it another message.
        uint256[] memory others = new uint256[](2);
        (others[0], others[1]) = (_guardianKeys[1], _guardianKeys[2]);
        bytes[] memory signatures = _signatures(vault, raw, 0, others);
        (bool accepted,) = address(vault).call(abi.encodeCall(vault.execute, (raw, 0, signatures)));
        if (accepted) {
            replaysAccepted++;
        }
    }

    function exit(
        uint256 actor,
        uint256 which,
        bool waits
    ) external atNow {
        TestToken token = tokens[which % 2];
        if (waits) {
            _now += EXIT_DELAY_SECONDS + 1;
            vm.warp(_now);
        }
        uint256 owned = vault.collateralOf(accountOf(actor), address(token));
        bool isSilent = _now > uint256(vault.lastAttestedAt()) + EXIT_DELAY_SECONDS;
        vm.prank(_owner(actor));
        (bool accepted,) = address(vault)
            .call(abi.encodeCall(vault.exit, (bytes32(0), address(token), _owner(actor))));
        vm.assertEq(accepted, owned != 0 && isSilent);
        if (accepted) {
            totalOut[address(token)] += owned;
            exits++;
        }
    }

    /// @notice A gift is not collateral.
    function donate(
        uint256 which,
        uint16 amount
    ) external {
        TestToken token = tokens[which % 2];
        token.mint(address(vault), amount);
        donated[address(token)] += amount;
    }

    function _payment(
        uint256 actor,
        TestToken token,
        uint256 amount,
        bool isSeizure
    ) private returns (bytes memory) {
        Message memory message =
            _message(isSeizure ? MessageKind.SEIZE : MessageKind.RELEASE, address(vault));
        message.account = accountOf(actor);
        message.token = MessageLib.toWord(address(token));
        message.amount = amount;
        message.recipient = MessageLib.toWord(address(0xB0B));
        return MessageLib.encode(message);
    }

    function collateralSum(
        TestToken token
    ) external view returns (uint256 sum) {
        for (uint256 actor = 0; actor < ACTORS; actor++) {
            sum += vault.collateralOf(accountOf(actor), address(token));
        }
    }

    /// @notice Return the largest outflow of any span [t - window, t] that ends with an outflow.
    function outflowPeak(
        TestToken token
    ) external view returns (uint256 peak) {
        Outflow[] storage outflows = _outflows[address(token)];
        for (uint256 last = 0; last < outflows.length; last++) {
            uint256 sum = 0;
            for (uint256 i = 0; i <= last; i++) {
                if (outflows[i].timestamp + WINDOW_SECONDS >= outflows[last].timestamp) {
                    sum += outflows[i].amount;
                }
            }
            peak = sum > peak ? sum : peak;
        }
    }
}

contract CollateralVaultInvariantTest {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    VaultHandler private handler;

    function setUp() external {
        handler = new VaultHandler();
    }

    /// @notice Forge asks here whom to call.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](8);
        selectors[0] = VaultHandler.passTime.selector;
        selectors[1] = VaultHandler.lock.selector;
        selectors[2] = VaultHandler.pay.selector;
        selectors[3] = VaultHandler.payUnderSigned.selector;
        selectors[4] = VaultHandler.replay.selector;
        selectors[5] = VaultHandler.exit.selector;
        selectors[6] = VaultHandler.donate.selector;
        selectors[7] = VaultHandler.pay.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    /// @notice Forge asks here whom to call, and nobody else.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @notice What came in has left or is held; what is held belongs to accounts and is there.
    function invariant_InEqualsOutPlusHeld() external view {
        CollateralVault vault = handler.vault();
        for (uint256 i = 0; i < 2; i++) {
            TestToken token = handler.tokens(i);
            uint256 held = vault.held(address(token));
            vm.assertEq(
                handler.totalIn(address(token)), handler.totalOut(address(token)) + held, "flows"
            );
            vm.assertEq(handler.collateralSum(token), held, "accounts");
            vm.assertEq(
                token.balanceOf(address(vault)), held + handler.donated(address(token)), "custody"
            );
        }
    }

    /// @notice In no span of a window more than the capacity leaves.
    function invariant_OutflowStaysWithinTheCapacity() external view {
        for (uint256 i = 0; i < 2; i++) {
            vm.assertLe(handler.outflowPeak(handler.tokens(i)), handler.CAPACITY(), "capacity");
        }
    }

    /// @notice No message acts twice, and none without a quorum.
    function invariant_OnlyFreshQuorumMessagesAct() external view {
        vm.assertEq(handler.replaysAccepted(), 0, "replayed");
        vm.assertEq(handler.underSignedAccepted(), 0, "under-signed");
    }

    /// @notice Lock ids have no gaps.
    function invariant_LockIdsAreConsecutive() external view {
        vm.assertEq(handler.vault().lockCount(), handler.locks(), "count");
        vm.assertTrue(handler.lockIdsAreConsecutive(), "order");
    }
}
